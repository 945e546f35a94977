// The other side of five payment providers: what the ledger calls, checked and answered with the providers' own
// libraries and independent ones. antom.py is the sixth. Prints the ledger's settings as `export NAME='value'`, then
// `ready`.
//
// Each provider is a module:
//
//   name, settings(address)
//   answer(call, trades)             to a call of the ledger; `trades` is by the provider's name for an order
//   notification(trade, signer)      that the trade is paid
//   change                           what becomes of a notification in which one byte is another one
//
// Beside its own API each server is told by checks.mjs what happens there:
//
//   GET  /peer/trade?name=           what it was asked for
//   POST /peer/pay?name=             the customer pays
//   POST /peer/notification?name=&signer=
//                                    a notification to send; with `changed`, one byte is another one after signing
//   POST /peer/once?what=            of the next such answer: `changed`, as above; `later`, that a refund is under way
//   GET  /peer/calls                 what was called, and what was refused

import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { Wrong } from "./common.mjs";

const providers = ["alipay", "wechat", "crossmint", "creem", "linuxdo_credit"];

for (const name of providers) {
  const provider = await import(`./${name}.mjs`);
  const server = createServer(serve(provider));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = `http://127.0.0.1:${server.address().port}`;
  const settings = { ...provider.settings(address), [`PEER_${name.toUpperCase()}`]: address };
  for (const [variable, value] of Object.entries(settings)) console.log(`export ${variable}='${value}'`);
}
console.log("ready");

function serve(provider) {
  const trades = new Map();
  const calls = [];
  let once;
  const is = (what) => once === what && ((once = undefined), true);

  const told = {
    "/peer/trade": ({ name }) => trades.get(name),
    "/peer/pay": ({ name }) => (trades.get(name).paid = true),
    "/peer/notification": async ({ name, signer, changed }) => {
      const notification = await provider.notification(trades.get(name), signer);
      return changed === undefined ? notification : provider.change(notification);
    },
    "/peer/once": ({ what }) => (once = what),
    "/peer/calls": () => calls,
  };

  return async (request, response) => {
    const url = new URL(request.url, "http://peer");
    const body = await text(request);
    const query = Object.fromEntries(url.searchParams);
    const call = { method: request.method, path: request.url, headers: request.headers, body };
    let answer;
    try {
      if (url.pathname in told) {
        answer = { status: 200, body: JSON.stringify((await told[url.pathname](query)) ?? null) };
      } else {
        calls.push(call);
        answer = await provider.answer({ ...call, url, query, later: () => is("later") }, trades);
        // What is signed of an answer has this word in it.
        if (answer.body?.includes("genuine") && is("changed")) answer.body = answer.body.replace("genuine", "genuinf");
      }
    } catch (error) {
      call.refused = error.message;
      answer = { status: error instanceof Wrong ? error.status : 500, body: error.message };
      if (!(error instanceof Wrong)) console.error(provider.name, error);
    }
    response.writeHead(answer.status, answer.headers).end(answer.body);
  };
}
