"""Fills a fresh moto for `docker-compose.yml`: one secret, as Secrets Manager would hold it.

It runs once, in moto's own image (which has boto3), and needs AWS_ENDPOINT_URL, the usual AWS
variables and MISTRAL_API_KEY.
"""

import json
import os

import boto3

NAME = "ai/mistral"

client = boto3.client("secretsmanager")
value = json.dumps({"api_key": os.environ["MISTRAL_API_KEY"]})
try:
    client.create_secret(Name=NAME, SecretString=value)
except client.exceptions.ResourceExistsException:
    client.put_secret_value(SecretId=NAME, SecretString=value)
print(f"seeded {NAME}")
