"""Antom, by its SDK from PyPI, global-open-sdk-python, on both sides. Works like the servers of peer.mjs."""

import json
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from com.alipay.ams.api.tools.signature_tool import sign
from com.alipay.ams.api.tools.webhook_tool import check_signature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT = "SANDBOX_5X00000000000000"
API = "/ams/sandbox/api/v1/payments/"


def pair():
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem, pkcs1 = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    private = key.private_bytes(pem, pkcs1, serialization.NoEncryption())
    return private.decode().strip(), key.public_key().public_bytes(pem, spki).decode().strip()


OURS, OUR_PUBLIC = pair()
THEIRS, THEIR_PUBLIC = pair()
trades, calls, once = {}, [], set()


class Wrong(Exception):
    """A call that is not the merchant's, or is none."""


def now():
    return datetime.now(timezone.utc).astimezone().isoformat(timespec="seconds")


def header(path, time, body):
    return f"algorithm=RSA256,keyVersion=1,signature={sign('POST', path, CLIENT, time, body, THEIRS)}"


def result(status, code):
    return {"result": {"resultStatus": status, "resultCode": code, "resultMessage": code}}


DONE = result("S", "SUCCESS")


def verify(path, headers, body):
    if headers["client-id"] != CLIENT:
        raise Wrong("another client")
    try:
        check_signature("POST", path, CLIENT, headers["request-time"], body, headers["signature"], OUR_PUBLIC)
    except Exception as error:  # the SDK raises others' for a wrong signature
        raise Wrong(f"SIGNATURE_INVALID: {error!r}") from error


def of(wanted):
    by_id = (it for it in trades.values() if it["id"] == wanted.get("paymentId"))
    return trades.get(wanted.get("paymentRequestId")) or next(by_id, None)


def pay(wanted):
    number = wanted["paymentRequestId"]
    amount, notify = wanted["paymentAmount"], wanted["paymentNotifyUrl"]
    trade = {"number": number, "id": f"2026{number[3:]}", "amount": amount, "notifyUrl": notify}
    trades[number] = {**trade, "paid": False, "refunds": {}}
    url = f"https://open-sea-global.alipay.com/genuine/{number}"
    names = {"paymentRequestId": number, "paymentId": trades[number]["id"]}
    return {**result("U", "PAYMENT_IN_PROCESS"), **names, "normalUrl": url}


def inquire(wanted):
    trade = of(wanted)
    if trade is None:
        return result("F", "ORDER_NOT_EXIST")
    refunds = [
        {
            "transactionType": "REFUND",
            "transactionStatus": "SUCCESS",
            "transactionId": f"r{number}",
            "transactionRequestId": number,
            "transactionAmount": amount,
        }
        for number, amount in trade["refunds"].items()
    ]
    status = "SUCCESS" if trade["paid"] else "PROCESSING"
    about = {"paymentStatus": status, "paymentMethodType": "ALIPAY_CN", "transactions": refunds}
    names = {"paymentRequestId": trade["number"], "paymentId": trade["id"], "paymentAmount": trade["amount"]}
    return {**DONE, **about, **names}


def refund(wanted):
    trade = of(wanted)
    if trade is None or not trade["paid"]:
        return result("F", "ORDER_NOT_EXIST")
    number = wanted["refundRequestId"]
    trade["refunds"][number] = wanted["refundAmount"]
    if sum(int(it["value"]) for it in trade["refunds"].values()) > int(trade["amount"]["value"]):
        raise Wrong("more than was paid")
    later = "later" in once
    once.discard("later")
    names = {"refundRequestId": number, "refundId": f"r{number}", "refundAmount": wanted["refundAmount"]}
    return {**(result("U", "REFUND_IN_PROCESS") if later else DONE), **names, "paymentId": trade["id"]}


def inquire_refund(wanted):
    number = wanted["refundRequestId"]
    amount = next((it["refunds"][number] for it in trades.values() if number in it["refunds"]), None)
    if amount is None:
        return result("F", "REFUND_NOT_EXIST")
    names = {"refundRequestId": number, "refundId": f"r{number}", "refundAmount": amount}
    return {**DONE, **names, "refundStatus": "SUCCESS"}


METHODS = {"pay": pay, "inquiryPayment": inquire, "refund": refund, "inquiryRefund": inquire_refund}


def notification(trade, changed):
    path, time = urlsplit(trade["notifyUrl"]).path, now()
    names = {"paymentRequestId": trade["number"], "paymentId": trade["id"], "paymentAmount": trade["amount"]}
    about = {"notifyType": "PAYMENT_RESULT", **DONE, **names, "paymentTime": time, "paymentCreateTime": time}
    body = json.dumps(about, separators=(",", ":"))
    headers = {"content-type": "application/json; charset=UTF-8", "client-id": CLIENT, "request-time": time}
    headers["signature"] = header(path, time, body)
    check_signature("POST", path, CLIENT, time, body, headers["signature"], THEIR_PUBLIC)
    if changed:
        body = body.replace('"value":"1', '"value":"2')
    return {"method": "POST", "url": trade["notifyUrl"], "headers": headers, "body": body}


def told(path, query):
    name = query.get("name")
    match path:
        case "/peer/trade":
            return trades.get(name)
        case "/peer/pay":
            trades[name]["paid"] = True
        case "/peer/notification":
            return notification(trades[name], "changed" in query)
        case "/peer/once":
            once.add(query["what"])
        case "/peer/calls":
            return calls
    return None


class Server(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self):
        self.do_POST()

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        url = urlsplit(self.path)
        if url.path.startswith("/peer/"):
            query = dict(parse_qsl(url.query, keep_blank_values=True))
            self.answer(200, json.dumps(told(url.path, query)))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        call = {"method": self.command, "path": self.path, "headers": headers, "body": body}
        calls.append(call)
        try:
            verify(self.path, headers, body)
            if not self.path.startswith(API) or self.path[len(API) :] not in METHODS:
                raise Wrong("there is no such call")
            text, time = json.dumps(METHODS[self.path[len(API) :]](json.loads(body))), now()
            signed = {"client-id": CLIENT, "response-time": time, "signature": header(self.path, time, text)}
            # What is signed of an answer has this word in it.
            if "genuine" in text and "changed" in once:
                once.discard("changed")
                text = text.replace("genuine", "genuinf")
            self.answer(200, text, signed)
        except Wrong as error:
            call["refused"] = str(error)
            self.answer(401, json.dumps(result("F", "SIGNATURE_INVALID")))

    def answer(self, status, text, headers=None):
        self.send_response(status)
        content = {"content-type": "application/json; charset=UTF-8", "content-length": str(len(text.encode()))}
        for name, value in {**content, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
address = f"http://127.0.0.1:{server.server_port}"
settings = {
    "ANTOM_CLIENT_ID": CLIENT,
    "ANTOM_PRIVATE_KEY": OURS,
    "ANTOM_PUBLIC_KEY": THEIR_PUBLIC,
    "ANTOM_API_URL": address,
    "PEER_ANTOM": address,
}
for variable, value in settings.items():
    print(f"export {variable}='{value}'")
print("ready", flush=True)
server.serve_forever()
