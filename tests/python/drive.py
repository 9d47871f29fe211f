"""Drives a server with the official MCP client, as a job on standard input asks.

Job:    {"stdio": {"command", "args", "env", "cwd"}} or {"http": {"url", "token_file"|"token_env"}},
        "mode": "legacy" | "auto" | a protocol version, "calls": [{"tool", "arguments"}]
Report: one line of JSON: {"protocol", "server", "tools": [...], "calls": [...]}, where a call is
        {"result": ..., "progress": [...]} or {"error": {"code", "message"}}.

It only drives and reports; what the report must hold is the tests' business.
"""

import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import httpx2
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client

TIME_LIMIT_SECONDS = 50


def plain(model):
    return model.model_dump(mode="json", by_alias=True, exclude_none=True)


async def transport(job, stack):
    if "stdio" in job:
        return stdio_client(StdioServerParameters(**job["stdio"]))
    http = job["http"]
    headers = {}
    if "token_file" in http:
        headers["Authorization"] = "Bearer " + Path(http["token_file"]).read_text().strip()
    elif "token_env" in http:
        headers["Authorization"] = "Bearer " + os.environ[http["token_env"]]
    client = httpx2.AsyncClient(headers=headers, timeout=TIME_LIMIT_SECONDS, trust_env=False)
    await stack.enter_async_context(client)
    return streamable_http_client(http["url"], http_client=client)


async def call(client, tool, arguments):
    progress = []

    async def on_progress(done, total, message):
        progress.append({"progress": done, "total": total, "message": message})

    try:
        result = await client.call_tool(tool, arguments, progress_callback=on_progress)
    except MCPError as error:
        return {"error": {"code": error.error.code, "message": error.error.message}}
    return {"result": plain(result), "progress": progress}


async def all_tools(client):
    tools, cursor = [], None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += [plain(tool) for tool in page.tools]
        cursor = page.next_cursor
        if cursor is None:
            return tools


async def drive(job):
    async with AsyncExitStack() as stack:
        server = await transport(job, stack)
        client = await stack.enter_async_context(Client(server, mode=job["mode"]))
        return {
            "protocol": client.protocol_version,
            "server": plain(client.server_info) if client.server_info else None,
            "tools": await all_tools(client),
            "calls": [await call(client, c["tool"], c["arguments"]) for c in job["calls"]],
        }


async def main():
    job = json.load(sys.stdin)
    report = await asyncio.wait_for(drive(job), TIME_LIMIT_SECONDS)
    print(json.dumps(report), flush=True)


asyncio.run(main())
