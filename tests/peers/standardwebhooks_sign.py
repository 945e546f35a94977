"""Signs what stands on stdin as Standard Webhooks does: SECRET ID SECONDS, prints the signature."""

import sys
from datetime import datetime, timezone

from standardwebhooks.webhooks import Webhook

secret, message, seconds = sys.argv[1:]
at = datetime.fromtimestamp(int(seconds), tz=timezone.utc)
body = sys.stdin.buffer.read().decode()
signature = Webhook(secret).sign(message, at, body)
headers = {"webhook-id": message, "webhook-timestamp": seconds, "webhook-signature": signature}
Webhook(secret).verify(body, headers)
print(signature)
