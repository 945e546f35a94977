//! One connection's worth of load: asks when something is due, counts what comes of it, connects again when it must.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use tokio::time::{sleep, timeout_at};

use super::accounts::Draws;
use super::link::{Link, Unanswered};
use super::micros_since;
use super::pace::Pace;
use super::report::Counts;
use super::target::{Asked, Target};

/// Between two attempts to connect, and after one that was closed before its first request.
const PAUSE: Duration = Duration::from_millis(20);

pub(super) struct Caller {
    target: Arc<Target>,
    link: Option<Link>,
    draws: Draws,
    counts: Counts,
    waiting: bool,
}

impl Caller {
    pub(super) fn new(target: Arc<Target>, link: Link, draws: Draws) -> anyhow::Result<Self> {
        Ok(Self { target, link: Some(link), draws, counts: Counts::new()?, waiting: false })
    }

    /// Charges at this pace. What is under way at its end has until `grace` later, and is given up then.
    pub(super) async fn charge(mut self, pace: Arc<Pace>, grace: Duration) -> Counts {
        let in_time = timeout_at(pace.end + grace, self.keep_asking(&pace)).await;
        if in_time.is_err() && self.waiting {
            self.counts.unanswered += 1;
        }
        self.counts
    }

    async fn keep_asking(&mut self, pace: &Pace) {
        while let Some(due) = pace.next().await {
            let request = self.target.charge(self.draws.next());
            self.counts.begun += 1;
            self.waiting = true;
            let status = self.ask(&request).await;
            self.waiting = false;
            match status {
                Some(status) => self.counts.answered(status.as_u16(), micros_since(due), pace.begin),
                None => self.counts.lost += 1,
            }
        }
    }

    /// Until the request has been sent once; `None` where it was, and no answer came.
    async fn ask(&mut self, request: &Asked) -> Option<StatusCode> {
        loop {
            let (mut link, fresh) = match self.link.take() {
                Some(link) => (link, false),
                None => (self.connect().await, true),
            };
            match link.ask(request).await {
                Ok(status) => {
                    self.link = Some(link);
                    return Some(status);
                }
                Err(Unanswered::Lost) => return None,
                Err(Unanswered::NotSent) => {}
            }
            if fresh {
                sleep(PAUSE).await;
            }
        }
    }

    async fn connect(&mut self) -> Link {
        loop {
            match Link::open(self.target.address).await {
                Ok(link) => {
                    self.counts.reconnects += 1;
                    return link;
                }
                Err(_) => self.counts.not_connected += 1,
            }
            sleep(PAUSE).await;
        }
    }
}
