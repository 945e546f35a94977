// WeChat Pay, API v3, by npm wechatpay-axios-plugin: its texts, signatures and cipher on both sides.

import wechatpay from "wechatpay-axios-plugin";
import { json, must, pair, sum } from "./common.mjs";

const { Aes, Formatter, Rsa } = wechatpay;
const ours = pair();
const theirs = pair();
const appId = "wx0000000000000001";
const merchant = "1900000001";
const serial = "5157F09EFDC096DE15EBE81A47057A7232F1B8E1";
const keyId = "PUB_KEY_ID_0119000000012026112800000000000001";
const apiKey = "0123456789abcdef0123456789ABCDEF";

export const name = "wechat";

export const settings = (address) => ({
  WECHAT_APP_ID: appId,
  WECHAT_MCH_ID: merchant,
  WECHAT_SERIAL_NO: serial,
  WECHAT_PRIVATE_KEY: ours.pkcs8.replaceAll("\n", "\\n"),
  WECHAT_API_V3_KEY: apiKey,
  WECHAT_PUBLIC_KEY_ID: keyId,
  WECHAT_PUBLIC_KEY: theirs.public,
  WECHAT_API_URL: address,
});

/** As they sign answers and notifications. */
function signed(body) {
  const [timestamp, nonce] = [`${Formatter.timestamp()}`, Formatter.nonce()];
  return {
    "content-type": "application/json",
    "wechatpay-timestamp": timestamp,
    "wechatpay-nonce": nonce,
    "wechatpay-serial": keyId,
    "wechatpay-signature-type": "WECHATPAY2-SHA256-RSA2048",
    "wechatpay-signature": Rsa.sign(Formatter.response(timestamp, nonce, body), Rsa.from(theirs.pkcs8)),
  };
}

export function answer(call, trades) {
  verify(call);
  const { status, body } = answered(call, trades);
  return { status, headers: signed(body), body };
}

function verify({ method, path, headers, body }) {
  const [scheme, parameters] = (headers.authorization ?? "").split(/ (.*)/);
  must(scheme === "WECHATPAY2-SHA256-RSA2048", "no signature");
  const pairs = [...parameters.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]);
  const given = Object.fromEntries(pairs);
  must(given.mchid === merchant && given.serial_no === serial, "another merchant");
  must(Math.abs(given.timestamp - Formatter.timestamp()) < 300, "another time");
  must(headers.accept === "application/json" && headers["wechatpay-serial"] === keyId, "headers are missing", 400);
  const text = Formatter.request(method, path, given.timestamp, given.nonce_str, body);
  must(Rsa.verify(text, given.signature, Rsa.from(ours.public, Rsa.KEY_TYPE_PUBLIC)), "SIGN_ERROR");
}

function answered({ method, url, query, body, later }, trades) {
  const route = `${method} ${url.pathname}`;
  const wanted = body ? JSON.parse(body) : {};
  const last = url.pathname.split("/").pop();
  if (route === "POST /v3/pay/transactions/native") {
    must(wanted.appid === appId && wanted.mchid === merchant, "another merchant", 400);
    const { out_trade_no: number, amount, notify_url: notifyUrl } = wanted;
    const trade = { number, amount: amount.total, currency: amount.currency, notifyUrl, refunds: new Map() };
    trades.set(number, { ...trade, id: `42000${number.slice(3)}` });
    return json({ code_url: `weixin://wxpay/bizpayurl?pr=genuine${number}` });
  }
  if (route === `GET /v3/pay/transactions/out-trade-no/${last}`) {
    must(query.mchid === merchant, "another merchant", 400);
    const trade = trades.get(last);
    return trade ? json(transaction(trade)) : json({ code: "ORDER_NOT_EXIST", message: "订单不存在" }, 404);
  }
  if (route === "POST /v3/refund/domestic/refunds") {
    const trade = [...trades.values()].find(({ id, paid }) => paid && id === wanted.transaction_id);
    must(trade && wanted.amount.total === trade.amount, "no such transaction", 400);
    trade.refunds.set(wanted.out_refund_no, wanted.amount.refund);
    must(sum(trade.refunds) <= trade.amount, "more than was paid", 400);
    return json(refund(trade, wanted.out_refund_no, later() ? "PROCESSING" : "SUCCESS"));
  }
  must(route === `GET /v3/refund/domestic/refunds/${last}`, "there is no such call", 404);
  const trade = [...trades.values()].find(({ refunds }) => refunds.has(last));
  const none = { code: "RESOURCE_NOT_EXISTS", message: "退款单不存在" };
  return trade ? json(refund(trade, last, "SUCCESS")) : json(none, 404);
}

function transaction({ number, id, amount, currency, paid, refunds }) {
  const order = { appid: appId, mchid: merchant, out_trade_no: number };
  if (!paid) return { ...order, trade_state: "NOTPAY", trade_state_desc: "订单未支付" };
  return {
    ...order,
    transaction_id: id,
    trade_type: "NATIVE",
    trade_state: refunds.size > 0 ? "REFUND" : "SUCCESS",
    success_time: new Date().toISOString(),
    payer: { openid: "o0000000000000000000000000001" },
    amount: { total: amount, payer_total: amount, currency, payer_currency: currency },
  };
}

function refund({ number, id, amount, currency, refunds }, refundNumber, status) {
  return {
    refund_id: `50000${refundNumber.slice(0, 20)}`,
    out_refund_no: refundNumber,
    transaction_id: id,
    out_trade_no: number,
    status,
    amount: { total: amount, refund: refunds.get(refundNumber), currency },
  };
}

export function notification(trade) {
  const [nonce, associated_data] = [Formatter.nonce(12), "transaction"];
  const ciphertext = Aes.AesGcm.encrypt(JSON.stringify(transaction(trade)), apiKey, nonce, associated_data);
  const body = JSON.stringify({
    id: `EV-${trade.id}`,
    create_time: new Date().toISOString(),
    resource_type: "encrypt-resource",
    event_type: "TRANSACTION.SUCCESS",
    summary: "支付成功",
    resource: { original_type: "transaction", algorithm: "AEAD_AES_256_GCM", ciphertext, associated_data, nonce },
  });
  return { method: "POST", url: trade.notifyUrl, headers: signed(body), body };
}

export const change = (it) => ({
  ...it,
  body: it.body.replace(/"ciphertext":"(.)/, (_, first) => `"ciphertext":"${first === "A" ? "B" : "A"}`),
});
