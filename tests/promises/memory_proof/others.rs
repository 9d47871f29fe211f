//! The secrets that stand on the way to a key beside those of a login at Vault (`logins`): what the
//! AWS SDK holds while it asks, and the bearer token of our own HTTP transport.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use keyward::secrets::memory::scanner::Canary;
use serde_json::json;

use super::{
    ordinary_user,
    place::{Arranged, Place, Way, arrange, arrange_aws},
    watched::{Watched, most},
};
use crate::support::{
    environment::{free_port, wait_for},
    http::Request,
    keyward::write_private,
    moto::Moto,
    pausing_proxy::PausingProxy,
};

/// The most copies of a credential that the AWS SDK makes for one request: its own, and the header
/// in which a session token is sent.
const AWS_SDK: usize = 2;

/// What the AWS SDK holds of the credentials, and that it holds it for its one request only.
#[test]
fn aws_credentials_leave_the_pool_for_one_request() {
    ordinary_user::tries(|| {
        let proxy = PausingProxy::start(Moto::shared().address());
        let key = Canary::random(64);
        let upstream = Way::Plain.upstream(&key);
        let Arranged {
            setup,
            others,
            upstream,
            ..
        } = arrange_aws(&proxy.url(), key, upstream, "");
        let [secret, session] = others.as_slice() else {
            panic!("two credentials");
        };
        let mut server = Watched::serve(setup);
        proxy.hold("");
        let call = server.start_chat();
        proxy.wait_for_requests(1, "");
        let asking = server.scan([&secret.text, &session.text]);
        proxy.release();
        let answer = server.answer_to(call);
        assert_eq!(answer["result"]["isError"], false, "{answer}");
        assert_eq!(upstream.seen().len(), 1);
        let ended = server.scan_after_the_end([&secret.text, &session.text]);
        for ((other, asking), ended) in others.iter().zip(asking).zip(ended) {
            println!("{}, while AWS is asked: {asking}", other.name);
            assert_eq!(most(asking.inside), 1, "{}: {asking}", other.name);
            assert!(most(asking.outside) <= AWS_SDK, "{}: {asking}", other.name);
            assert_eq!(most(ended.inside), 1, "{}: {ended}", other.name);
            assert!(ended.outside.is_nothing(), "{}: {ended}", other.name);
        }
    });
}

/// A server over HTTP whose bearer token lies in a file, and the address it serves at.
fn over_http(token: &str) -> (Watched, String) {
    let Arranged { setup, .. } = arrange(Place::File, Way::Plain, "");
    let yaml = std::fs::read_to_string(setup.config_file()).unwrap();
    let yaml = yaml.replace(
        "  names:\n",
        "  names:\n    http-token: { ref: \"file:token\" }\n",
    );
    let http = "server:\n  http: { token_secret: http-token }\n";
    write_private(setup.config_file(), &format!("{http}{yaml}"));
    write_private(&setup.folder().join("token"), token);
    let address = format!("127.0.0.1:{}", free_port());
    let command = setup.command(&["serve", "--http", &address]);
    let server = Watched::start(command, setup);
    let healthy = || {
        let asked = Request::new("GET", format!("http://{address}/healthz")).send();
        asked.ok().filter(|answer| answer.status == 200).map(drop)
    };
    wait_for(healthy).unwrap_or_else(|| panic!("it does not serve:\n{}", server.log()));
    (server, address)
}

#[test]
fn a_bearer_token_is_gone_when_it_was_checked() {
    ordinary_user::tries(|| {
        let token = Canary::random(43);
        let (server, address) = over_http(&token);
        let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": {} }).to_string();
        let asked = Request::new("POST", format!("http://{address}/mcp"))
            .header("Content-Type", "application/json")
            .header("Accept", "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2025-11-25")
            .header("Authorization", &format!("Bearer {}", *token))
            .body(&call);
        let answer = asked.send().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text);
        let [closed] = server.scan_after_the_end([&token]);
        assert!(closed.inside.is_nothing(), "{closed}");
        assert!(closed.outside.is_nothing(), "{closed}");

        // A client that keeps its connection.
        let mut stream = TcpStream::connect(&address).unwrap();
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n\
             Authorization: Bearer {}\r\nContent-Length: {}\r\n\r\n{call}",
            *token,
            call.len()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 200");
        let [kept] = server.scan_after_the_end([&token]);
        println!("bearer token, connection kept open: {kept}");
        assert!(kept.inside.is_nothing(), "{kept}");
        assert!(most(kept.outside) <= 1, "{kept}");
        drop(stream);
        let [closed] = server.scan_after_the_end([&token]);
        assert!(closed.outside.is_nothing(), "{closed}");
    });
}
