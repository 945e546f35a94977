//! Credits for the accounts, through the API: what an admin does by hand, for thousands.
//!
//! Each account gets them once, however often this runs: the idempotency key is the account's.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aggregates::{AccountId, Credits};
use anyhow::{Context, bail};
use axum::http::StatusCode;
use hyper::body::Bytes;
use serde::Serialize;
use tokio::task::JoinSet;
use url::Url;

use super::link::{Link, Unanswered};
use super::target::Target;
use super::{Accounts, Server, on_this_thread};

const CONNECTIONS: usize = 32;
/// A server that is busy is asked again, so often at most.
const TRIES: usize = 20;
const PAUSE: Duration = Duration::from_millis(100);
const ANSWER_MAX: Duration = Duration::from_secs(30);

#[derive(Serialize)]
struct Adjustment {
    amount: String,
    reason: &'static str,
}

/// Gives every account these credits, as the admin whose token `server` holds; blocks until that is done.
///
/// # Errors
/// When the server cannot be reached, or refuses.
pub fn set_up(server: &Server, accounts: &Accounts, amount: Credits) -> anyhow::Result<()> {
    let target = Arc::new(Target::find(server)?);
    let body = Bytes::from(serde_json::to_vec(&Adjustment { amount: amount.to_string(), reason: "load test" })?);
    on_this_thread(async {
        let next = Arc::new(AtomicUsize::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..CONNECTIONS.min(accounts.names().len()) {
            let (target, accounts, body, next) = (target.clone(), accounts.clone(), body.clone(), next.clone());
            tasks.spawn(async move {
                let mut link = None;
                while let Some(account) = accounts.names().get(next.fetch_add(1, Ordering::Relaxed)) {
                    give(&target, &mut link, account, &body).await?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.context("giving credits")??;
        }
        Ok(())
    })?
}

/// One account. Asking again is safe, so an answer that was lost is asked for again too.
async fn give(target: &Target, link: &mut Option<Link>, account: &AccountId, body: &Bytes) -> anyhow::Result<()> {
    let path = path_of(account)?;
    let key = format!("Idempotency-Key: loadtest-set-up-{}\r\n", account.key());
    let mut last = "it closed the connection".to_owned();
    for _ in 0..TRIES {
        let mut open = match link.take() {
            Some(link) => link,
            None => Link::open(target.address).await.with_context(|| format!("connecting to {target}"))?,
        };
        let request = target.post(&path, &key, body);
        let answer = tokio::time::timeout(ANSWER_MAX, open.ask(&request)).await;
        match answer.with_context(|| format!("{target} did not answer {path}"))? {
            Ok(status) if status.is_success() => {
                *link = Some(open);
                return Ok(());
            }
            Ok(status @ (StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)) => {
                *link = Some(open);
                last = format!("it answered {status}");
            }
            Ok(status) => bail!("{target} answered {status} to POST {path}"),
            Err(Unanswered::NotSent | Unanswered::Lost) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    bail!("{target} did not take POST {path} in {TRIES} tries: {last}")
}

/// The account is one segment, whatever characters its name has.
fn path_of(account: &AccountId) -> anyhow::Result<String> {
    let mut url = Url::parse("http://ledger/api/v1/admin/accounts/")?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.pop_if_empty().push(account.as_str()).extend(["credits", "adjust"]);
    }
    Ok(url.path().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_one_segment_of_the_path() {
        let path = |name| path_of(&AccountId::try_new(name).unwrap()).unwrap();
        assert_eq!(path("load-00001"), "/api/v1/admin/accounts/load-00001/credits/adjust");
        assert_eq!(path("a/b?c"), "/api/v1/admin/accounts/a%2Fb%3Fc/credits/adjust");
    }
}
