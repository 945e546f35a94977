// Alipay, by npm alipay-sdk. The SDK is a merchant's: it signs as the ledger has to, and checks what Alipay signs. In
// Alipay's place node:crypto signs, and nothing leaves here that the SDK does not take.

import { createSign } from "node:crypto";
import { AlipaySdk } from "alipay-sdk";
import { bare, beijing, decimal, minor, must, pair, sum } from "./common.mjs";

const ours = pair();
const theirs = pair();
const appId = "2021000000000001";
const seller = "2088000000000002";
const sdk = new AlipaySdk({ appId, privateKey: ours.pkcs1, alipayPublicKey: theirs.public });

export const name = "alipay";

export const settings = (address) => ({
  ALIPAY_APP_ID: appId,
  ALIPAY_PRIVATE_KEY: bare(ours.pkcs8),
  ALIPAY_PUBLIC_KEY: bare(theirs.public),
  ALIPAY_SELLER_ID: seller,
  ALIPAY_GATEWAY: `${address}/gateway.do`,
});

const sign = (text) => createSign("RSA-SHA256").update(text).sign(theirs.pkcs1, "base64");

export function answer({ url, query, body, later }, trades) {
  must(url.pathname === "/gateway.do", "there is only the gateway", 404);
  const { sign: signature, ...fields } = { ...query, ...Object.fromEntries(new URLSearchParams(body)) };
  const content = JSON.parse(fields.biz_content);
  // RSA signs the same text the same way, so what the SDK would have sent has the very same signature.
  const again = sdk.sdkExecute(fields.method, { ...fields, biz_content: content });
  must(fields.app_id === appId && new URLSearchParams(again).get("sign") === signature, "isv.invalid-signature");
  if (fields.method === "alipay.trade.page.pay") {
    must(open(fields, content, trades).amount === minor(content.total_amount), "another amount", 400);
    return { status: 200, body: "a page to pay on" };
  }
  return answered(fields.method, methods[fields.method](fields, content, trades, later));
}

/** Slashes are escaped there, and the signature is over the text as it is. */
function answered(method, content) {
  const key = `${method.replaceAll(".", "_")}_response`;
  const text = JSON.stringify({ code: "10000", msg: "Success", ...content }).replaceAll("/", "\\/");
  const body = `{"${key}":${text},"sign":"${sign(text)}"}`;
  sdk.checkResponseSign(body, key, sign(text));
  return { status: 200, headers: { "content-type": "text/html;charset=utf-8" }, body };
}

function open(fields, content, trades) {
  const number = content.out_trade_no;
  if (!trades.has(number)) {
    const { subject, total_amount } = content;
    const trade = { number, subject, amount: minor(total_amount), notifyUrl: fields.notify_url, refunds: new Map() };
    trades.set(number, { ...trade, id: `2026${number.slice(3)}` });
  }
  return trades.get(number);
}

const noTrade = { code: "40004", msg: "Business Failed", sub_code: "ACQ.TRADE_NOT_EXIST" };

const methods = {
  "alipay.trade.precreate": (fields, content, trades) => {
    const { number } = open(fields, content, trades);
    return { out_trade_no: number, qr_code: `https://qr.alipay.com/genuine${number}` };
  },
  "alipay.trade.query": (_, { out_trade_no }, trades) => {
    const trade = trades.get(out_trade_no);
    if (!trade?.paid) return noTrade;
    const { id, amount, refunds } = trade;
    const trade_status = sum(refunds) === amount ? "TRADE_CLOSED" : "TRADE_SUCCESS";
    return { trade_no: id, out_trade_no, trade_status, total_amount: decimal(amount), send_pay_date: beijing() };
  },
  "alipay.trade.refund": (_, { out_trade_no, trade_no, refund_amount, out_request_no }, trades, later) => {
    const trade = trades.get(out_trade_no);
    if (!trade?.paid || trade.id !== trade_no) return noTrade;
    trade.refunds.set(out_request_no, minor(refund_amount));
    must(sum(trade.refunds) <= trade.amount, "more than was paid", 400);
    return { trade_no, out_trade_no, fund_change: later() ? "N" : "Y", refund_fee: decimal(sum(trade.refunds)) };
  },
  "alipay.trade.fastpay.refund.query": (_, { out_trade_no, out_request_no }, trades) => {
    const { id, refunds } = trades.get(out_trade_no);
    if (!refunds.has(out_request_no)) return {};
    const refund_amount = decimal(refunds.get(out_request_no));
    return { trade_no: id, out_trade_no, out_request_no, refund_amount, refund_status: "REFUND_SUCCESS" };
  },
};

export function notification({ number, id, subject, amount, notifyUrl }) {
  const fields = {
    app_id: appId,
    auth_app_id: appId,
    buyer_id: "2088000000000001",
    charset: "utf-8",
    fund_bill_list: JSON.stringify([{ amount: decimal(amount), fundChannel: "ALIPAYACCOUNT" }]),
    gmt_create: beijing(),
    gmt_payment: beijing(),
    notify_id: `${id}n`,
    notify_time: beijing(),
    notify_type: "trade_status_sync",
    out_trade_no: number,
    receipt_amount: decimal(amount),
    seller_id: seller,
    subject,
    total_amount: decimal(amount),
    trade_no: id,
    trade_status: "TRADE_SUCCESS",
    version: "1.0",
  };
  const text = Object.keys(fields).sort().map((key) => `${key}=${fields[key]}`).join("&");
  const signed = { ...fields, sign: sign(text), sign_type: "RSA2" };
  must(sdk.checkNotifySignV2(signed), "alipay-sdk does not take this notification", 500);
  const headers = { "content-type": "application/x-www-form-urlencoded; charset=utf-8" };
  return { method: "POST", url: notifyUrl, headers, body: new URLSearchParams(signed).toString() };
}

export const change = (it) => ({ ...it, body: it.body.replace("total_amount=1", "total_amount=2") });
