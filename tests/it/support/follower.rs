//! Readers that go along while others write. Each read is checked against the one before: the next position of a
//! partition is the one after the last.

use aggregates::LogPart;
use billing_ledger::store::stream::{self, Cursor};
use sqlx::PgPool;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::eventually;

const COMMITS_AT_ONCE: i64 = 64;

/// One reader: where it is in each partition.
pub(crate) struct Reader {
    pool: PgPool,
    cursors: Vec<Cursor>,
    way: Way,
}

/// How it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// As projections do: commits with their events.
    Stream,
    /// As a stranger would: every event after the last position that was seen.
    Naive,
}

impl Reader {
    pub(crate) fn new(pool: PgPool, way: Way) -> Self {
        let cursors = LogPart::all().map(|log_part| Cursor { log_part, position: 0 }).collect();
        Self { pool, cursors, way }
    }

    /// Reads on: how many events there were, or what is missing.
    pub(crate) async fn read(&mut self) -> Result<usize, String> {
        let positions = match self.way {
            Way::Stream => self.stream().await?,
            Way::Naive => self.naive().await,
        };
        for (part, position) in &positions {
            let cursor = &mut self.cursors[usize::from(*part)];
            if *position != cursor.position + 1 {
                return Err(format!("partition {part}: {position} after {} ({:?})", cursor.position, self.way));
            }
            cursor.position = *position;
        }
        Ok(positions.len())
    }

    async fn stream(&self) -> Result<Vec<(u8, i64)>, String> {
        let commits = stream::read(&self.pool, &self.cursors, COMMITS_AT_ONCE).await;
        let commits = commits.map_err(|error| error.to_string())?;
        let positions = commits
            .iter()
            .flat_map(|commit| commit.events.iter().map(|event| (commit.log_part.number(), event.position)));
        Ok(positions.collect())
    }

    async fn naive(&self) -> Vec<(u8, i64)> {
        let (parts, positions): (Vec<i16>, Vec<i64>) =
            self.cursors.iter().map(|cursor| (i16::from(cursor.log_part.number()), cursor.position)).unzip();
        let rows: Vec<(i16, i64)> = sqlx::query_as(
            "SELECT e.log_part, e.position FROM unnest($1::int2[], $2::int8[]) AS mine (log_part, position)
               JOIN ledger.events e ON e.log_part = mine.log_part AND e.position > mine.position
              ORDER BY e.log_part, e.position",
        )
        .bind(parts)
        .bind(positions)
        .fetch_all(&self.pool)
        .await
        .expect("positions");
        rows.into_iter().map(|(part, position)| (u8::try_from(part).expect("a partition"), position)).collect()
    }
}

/// Readers of both kinds that read on and on, until they are stopped.
pub(crate) struct Followers {
    stop: watch::Sender<bool>,
    reading: Vec<JoinHandle<Result<Vec<Cursor>, String>>>,
    pool: PgPool,
}

impl Followers {
    pub(crate) fn start(pool: &PgPool) -> Self {
        let (stop, stopped) = watch::channel(false);
        let reading = [Way::Stream, Way::Naive]
            .map(|way| tokio::spawn(follow(Reader::new(pool.clone(), way), stopped.clone())))
            .into();
        Self { stop, reading, pool: pool.clone() }
    }

    /// Once nobody writes any more: no reader was ever shown a hole, and all of them have seen everything.
    pub(crate) async fn assert_saw_everything(self) {
        self.stop.send_replace(true);
        let heads: Vec<i64> = sqlx::query_scalar("SELECT position FROM ledger.log_heads ORDER BY log_part")
            .fetch_all(&self.pool)
            .await
            .expect("heads");
        for reading in self.reading {
            let cursors = reading.await.expect("no panic").expect("no hole");
            let seen: Vec<i64> = cursors.iter().map(|cursor| cursor.position).collect();
            assert_eq!(seen, heads);
        }
    }

    /// Fails at once where a reader has already given up.
    pub(crate) fn assert_content(&self) {
        assert!(self.reading.iter().all(|reading| !reading.is_finished()), "a reader was shown a hole");
    }
}

/// Until it is stopped, and then until there is nothing more.
async fn follow(mut reader: Reader, stopped: watch::Receiver<bool>) -> Result<Vec<Cursor>, String> {
    loop {
        let last = *stopped.borrow();
        let read = reader.read().await?;
        if read == 0 && last {
            return Ok(reader.cursors);
        }
        tokio::task::yield_now().await;
    }
}

/// Waits until so many events more are in the log.
pub(crate) async fn log_grows(pool: &PgPool, more: i64) {
    let length = async || -> i64 {
        let length = sqlx::query_scalar("SELECT sum(position)::int8 FROM ledger.log_heads").fetch_one(pool).await;
        length.expect("heads")
    };
    let enough = length().await + more;
    eventually("the log to grow", async || (length().await >= enough).then_some(())).await;
}
