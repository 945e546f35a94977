// LINUX DO Credit: no library, but md5sum over the sorted fields and the secret.

import { execFileSync } from "node:child_process";
import { json, must } from "./common.mjs";

const pid = "peer0000000000000000000000000001";
const key = "peer-secret";

export const name = "linuxdo_credit";

export const settings = (address) => ({
  LINUXDO_CREDIT_PID: pid,
  LINUXDO_CREDIT_KEY: key,
  LINUXDO_CREDIT_URL: address,
});

function sign(fields) {
  const { sign, sign_type, ...signed } = fields;
  const names = Object.keys(signed).filter((name) => signed[name] !== "").sort();
  const input = names.map((name) => `${name}=${signed[name]}`).join("&") + key;
  return execFileSync("md5sum", { input, timeout: 30_000 }).toString().slice(0, 32);
}

export function answer({ method, url, query, body }, trades) {
  const fields = method === "GET" ? query : Object.fromEntries(new URLSearchParams(body));
  if (url.pathname === "/epay/pay/submit.php") {
    must(fields.pid === pid && fields.sign === sign(fields), "签名错误");
    must(fields.type === "epay" && fields.sign_type === "MD5", "type", 400);
    const { out_trade_no: number, name, money: amount, notify_url: notifyUrl } = fields;
    trades.set(number, { number, name, amount, notifyUrl, id: `10${number.slice(3)}` });
    return { status: 302, headers: { location: `https://credit.linux.do/paying?order_no=${number}` } };
  }
  must(url.pathname === "/epay/api.php" && fields.pid === pid && fields.key === key, "商户信息不存在", 400);
  if (method === "GET") {
    must(fields.act === "order", "act", 400);
    const trade = trades.get(fields.out_trade_no);
    return trade ? json(order(trade)) : json({ code: -1, msg: "订单不存在" }, 404);
  }
  const trade = [...trades.values()].find(({ id }) => id === fields.trade_no);
  must(trade?.paid && !trade.refunded && fields.money === trade.amount, "订单不存在", 400);
  trade.refunded = true;
  return json({ code: 1, msg: "退款成功" });
}

function order({ number, name, amount, id, paid, refunded }) {
  const endtime = paid ? "2026-01-05 14:00:00" : "0001-01-01 00:00:00";
  const status = paid && !refunded ? 1 : 0;
  return { code: 1, trade_no: id, out_trade_no: number, type: "epay", pid, endtime, name, money: amount, status };
}

export function notification({ number, name, amount, id, notifyUrl }) {
  const about = { trade_no: id, out_trade_no: number, name, money: amount };
  const fields = { pid, type: "epay", ...about, trade_status: "TRADE_SUCCESS" };
  const query = new URLSearchParams({ ...fields, sign: sign(fields) });
  return { method: "GET", url: `${notifyUrl}?${query}`, headers: { "user-agent": "LinuxDo-Credit/1.0" } };
}

export const change = (it) => ({ ...it, url: it.url.replace("money=1", "money=2") });
