//! One transaction after the other: checkpoints first, rows with them.
//!
//! ```text
//!   fold (commit after commit, chain checked) ──► write:  lock checkpoints ── moved from where we read them? ── rows
//!                                                                              └─ no: somebody was faster, roll back
//! ```
//!
//! The checkpoint moves by compare-and-swap on position and chain, so a batch takes effect once, however many processes
//! read the same events. Read models are made of the log and can lose their newest transaction in a crash of the
//! database without anybody missing it, so they do not wait for the disk.

use std::collections::BTreeMap;

use aggregates::LogPart;
use sqlx::{Connection, Executor, PgConnection};
use thiserror::Error;

use crate::checkpoints::{self, Checkpoint, Checkpoints, Hash};
use crate::{Fact, Projection, Unfit};

/// Which copy of the read models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Generation {
    /// What everybody reads.
    Live,
    /// What a rebuild fills.
    Next,
}

impl Generation {
    #[must_use]
    pub const fn schema(self) -> &'static str {
        match self {
            Self::Live => "read",
            Self::Next => "read_next",
        }
    }

    const fn enter(self) -> &'static str {
        match self {
            Self::Live => "SET LOCAL search_path = read, ledger; SET LOCAL synchronous_commit = off",
            Self::Next => "SET LOCAL search_path = read_next, ledger; SET LOCAL synchronous_commit = off",
        }
    }
}

/// Where a commit stands in the chain of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    pub log_part: LogPart,
    pub first_position: i64,
    pub last_position: i64,
    pub prev_chain: Hash,
    pub chain: Hash,
}

/// Why a batch was not written. Nothing of it is in the read models, and the runner starts from the checkpoints again.
#[derive(Debug, Error)]
pub enum RunnerError {
    #[error("partition {log_part}, position {position}: {what}")]
    Broken { log_part: LogPart, position: i64, what: String },
    #[error("partition {log_part}, position {position}: the projection {projection} cannot keep this event: {unfit}")]
    Unfit { log_part: LogPart, position: i64, projection: &'static str, unfit: Unfit },
    #[error("the read models cannot be written: {0}")]
    Database(#[from] sqlx::Error),
}

/// What became of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// It is in the read models.
    Moved,
    /// Another process had read on meanwhile. Nothing of it was written; the runner stands where that process got to.
    Overtaken,
}

/// Projections of one generation, and how far they are.
pub struct Runner {
    generation: Generation,
    projections: Vec<Box<dyn Projection>>,
    written: Checkpoints,
    folded: BTreeMap<LogPart, Checkpoint>,
    events: usize,
}

impl Runner {
    /// Stands where the checkpoints of this generation are.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn load(
        connection: &mut PgConnection,
        generation: Generation,
        projections: Vec<Box<dyn Projection>>,
    ) -> Result<Self, RunnerError> {
        let written = checkpoints::load(connection, generation.schema()).await?;
        Ok(Self { generation, projections, written, folded: BTreeMap::new(), events: 0 })
    }

    /// Gives up what was folded and stands where the checkpoints are now. Answers whether another process has moved them
    /// since this one looked last.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn reload(&mut self, connection: &mut PgConnection) -> Result<bool, RunnerError> {
        self.give_up();
        let now = checkpoints::load(connection, self.generation.schema()).await?;
        let moved = now != self.written;
        self.written = now;
        Ok(moved)
    }

    /// What is in the read models.
    #[must_use]
    pub fn written(&self) -> &Checkpoints {
        &self.written
    }

    /// How many events were folded since the last transaction.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.events
    }

    /// Takes in the next commit of a partition.
    ///
    /// # Errors
    /// When it does not go on where the partition was left, or an event fits no row. The batch is then given up.
    pub fn fold<'a>(&mut self, link: &Link, facts: impl Iterator<Item = Fact<'a>>) -> Result<(), RunnerError> {
        let folded = self.follow(link).and_then(|()| self.fold_facts(facts));
        if folded.is_err() {
            self.give_up();
        }
        folded
    }

    fn follow(&mut self, link: &Link) -> Result<(), RunnerError> {
        let broken =
            |what: String| RunnerError::Broken { log_part: link.log_part, position: link.first_position, what };
        let stands = self.folded.get(&link.log_part).or_else(|| self.written.get(&link.log_part));
        let stands = stands.ok_or_else(|| broken("there is no checkpoint".to_owned()))?;
        if link.first_position != stands.position + 1 {
            return Err(broken(format!("the read models end at {}", stands.position)));
        }
        if link.prev_chain != stands.chain {
            return Err(broken("the read models were made of another log: its chain was different here".to_owned()));
        }
        self.folded.insert(link.log_part, Checkpoint { position: link.last_position, chain: link.chain });
        Ok(())
    }

    fn fold_facts<'a>(&mut self, facts: impl Iterator<Item = Fact<'a>>) -> Result<(), RunnerError> {
        for fact in facts {
            self.events += 1;
            for projection in &mut self.projections {
                projection.fold(&fact).map_err(|unfit| RunnerError::Unfit {
                    log_part: fact.log_part,
                    position: fact.position,
                    projection: projection.name(),
                    unfit,
                })?;
            }
        }
        Ok(())
    }

    /// Writes what was folded and moves the checkpoints, in one transaction of its own.
    ///
    /// # Errors
    /// When the database cannot be written. The connection should then be replaced, and the runner loaded again.
    pub async fn write(&mut self, connection: &mut PgConnection) -> Result<Written, RunnerError> {
        let mut tx = connection.begin().await?;
        match self.write_in_tx(&mut tx).await {
            // Should the commit have been lost, the checkpoints are not where we think, and the next batch is overtaken.
            Ok(Written::Moved) => Ok(tx.commit().await.map(|()| Written::Moved)?),
            Ok(Written::Overtaken) => {
                tx.rollback().await?;
                self.reload(connection).await?;
                Ok(Written::Overtaken)
            }
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    /// As [`Runner::write`] within a transaction of the caller's; if that does not commit, load the runner again.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn write_in_tx(&mut self, tx: &mut PgConnection) -> Result<Written, RunnerError> {
        tx.execute(self.generation.enter()).await?;
        if !self.move_checkpoints(tx).await? {
            return Ok(Written::Overtaken);
        }
        for projection in &mut self.projections {
            projection.write(tx).await?;
        }
        self.written.append(&mut self.folded);
        self.events = 0;
        Ok(Written::Moved)
    }

    async fn move_checkpoints(&self, tx: &mut PgConnection) -> Result<bool, sqlx::Error> {
        let (mut parts, mut positions, mut chains) = (Vec::new(), Vec::new(), Vec::new());
        let (mut from_positions, mut from_chains) = (Vec::new(), Vec::new());
        for (log_part, to) in &self.folded {
            let Some(from) = self.written.get(log_part) else { return Ok(false) };
            parts.push(i16::from(log_part.number()));
            from_positions.push(from.position);
            from_chains.push(from.chain.as_slice());
            positions.push(to.position);
            chains.push(to.chain.as_slice());
        }
        // Ascending, or two runners wait for each other for ever.
        sqlx::query("SELECT FROM checkpoints WHERE log_part = ANY ($1) ORDER BY log_part FOR UPDATE")
            .bind(&parts)
            .execute(&mut *tx)
            .await?;
        let moved = sqlx::query(
            "UPDATE checkpoints c SET position = n.position, chain = n.chain
               FROM unnest($1::int2[], $2::int8[], $3::bytea[], $4::int8[], $5::bytea[])
                    AS n (log_part, from_position, from_chain, position, chain)
              WHERE c.log_part = n.log_part AND c.position = n.from_position AND c.chain = n.from_chain",
        )
        .bind(&parts)
        .bind(&from_positions)
        .bind(&from_chains)
        .bind(&positions)
        .bind(&chains)
        .execute(&mut *tx)
        .await?;
        Ok(moved.rows_affected() == self.folded.len() as u64)
    }

    fn give_up(&mut self) {
        self.folded.clear();
        self.events = 0;
        self.projections.iter_mut().for_each(|projection| projection.forget());
    }
}
