//! The log up to a target, read ahead on a connection of its own: while one batch is folded and written, the next ones
//! are on their way.

use aggregates::LogPart;
use projections::Checkpoints;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::store::StoreError;
use crate::store::stream::{Behind, Committed, Cursor, read_decoded, share};

const EVENTS_MAX: i64 = 20_000;
/// Batches that wait to be folded; with the one being read and the one being folded they bound the memory.
const BATCHES_MAX: usize = 2;

type Batch = Result<Vec<Committed>, StoreError>;

/// Batches, until the target is reached.
pub(super) struct Source {
    batches: mpsc::Receiver<Batch>,
    reading: JoinHandle<()>,
}

impl Source {
    pub(super) fn start(connect: PgConnectOptions, from: &Checkpoints, to: &Checkpoints) -> Self {
        let behind = |(log_part, to): (&LogPart, &projections::Checkpoint)| {
            let position = from.get(log_part).map_or(0, |from| from.position);
            let cursor = Cursor { log_part: *log_part, position };
            (to.position > position).then_some(Behind { cursor, head: to.position })
        };
        let behind = to.iter().filter_map(behind).collect();
        let (send, batches) = mpsc::channel(BATCHES_MAX);
        let reading = tokio::spawn(async move {
            if let Err(error) = read(connect, behind, &send).await {
                // Whoever no longer listens has an error of its own.
                send.send(Err(error)).await.unwrap_or_default();
            }
        });
        Self { batches, reading }
    }

    pub(super) async fn next(&mut self) -> Result<Option<Vec<Committed>>, StoreError> {
        self.batches.recv().await.transpose()
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

async fn read(
    connect: PgConnectOptions,
    mut behind: Vec<Behind>,
    send: &mpsc::Sender<Batch>,
) -> Result<(), StoreError> {
    if behind.is_empty() {
        return Ok(());
    }
    let mut connection = PgConnection::connect_with(&connect).await?;
    while !behind.is_empty() {
        let commits = read_decoded(&mut connection, &share(&behind, EVENTS_MAX)).await?;
        for last in commits.chunk_by(|a, b| a.log_part == b.log_part).filter_map(<[Committed]>::last) {
            if let Some(part) = behind.iter_mut().find(|part| part.cursor.log_part == last.log_part) {
                part.cursor.position = last.last_position();
            }
        }
        behind.retain(|part| part.events() > 0);
        if send.send(Ok(commits)).await.is_err() {
            break;
        }
    }
    Ok(connection.close().await?)
}
