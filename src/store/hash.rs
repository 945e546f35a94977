//! What makes the log tamper-evident.
//!
//! ```text
//! leaf   = SHA-256(0x00 || canonical bytes of one event)          RFC 6962, section 2.1
//! root   = Merkle tree hash of a commit's leaves                  RFC 6962, section 2.1
//! chain  = SHA-256("ledger-chain-v1" || previous chain || header || root)
//! ```
//!
//! PostgreSQL recomputes the chain in `commits_chain_check`, so a wrong link cannot be stored. Canonical bytes are all
//! columns of the event, integers big-endian, texts and JSON as stored and prefixed with their length in eight bytes:
//! JSON is never parsed and written again on the way to a hash.

use aggregates::{AccountKey, LogPart};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

const LEAF: u8 = 0;
const NODE: u8 = 1;
const GENESIS_PREFIX: &[u8] = b"ledger-genesis-v1";
const CHAIN_PREFIX: &[u8] = b"ledger-chain-v1";

/// The columns of one event, as they are stored and hashed.
#[derive(Debug, Clone, Copy)]
pub struct EventBytes<'a> {
    pub log_part: LogPart,
    pub position: i64,
    pub version: i64,
    pub schema_version: i16,
    pub account: AccountKey,
    pub aggregate_id: Uuid,
    pub command_id: Uuid,
    pub aggregate_type: &'a str,
    pub event_type: &'a str,
    pub payload: &'a str,
    pub metadata: &'a str,
}

impl EventBytes<'_> {
    /// The event's Merkle leaf.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        let mut fixed = [0u8; 77];
        let mut at = 0;
        let mut put = |bytes: &[u8]| {
            if let Some(slot) = fixed.get_mut(at..at + bytes.len()) {
                slot.copy_from_slice(bytes);
            }
            at += bytes.len();
        };
        put(&[LEAF]);
        put(&i16::from(self.log_part.number()).to_be_bytes());
        put(&self.position.to_be_bytes());
        put(&self.version.to_be_bytes());
        put(&self.schema_version.to_be_bytes());
        put(self.account.uuid().as_bytes());
        put(self.aggregate_id.as_bytes());
        put(self.command_id.as_bytes());
        debug_assert_eq!(at, LEAF_FIXED_BYTES);
        let mut hasher = Sha256::new();
        hasher.update(fixed.get(..at).unwrap_or(&fixed));
        for text in [self.aggregate_type, self.event_type, self.payload, self.metadata] {
            hasher.update((text.len() as u64).to_be_bytes());
            hasher.update(text.as_bytes());
        }
        hasher.finalize().into()
    }
}

const LEAF_FIXED_BYTES: usize = 1 + 2 + 8 + 8 + 2 + 16 + 16 + 16;

/// The first eight bytes of a leaf, as the `leaf` column keeps them.
#[must_use]
pub fn leaf_prefix(leaf: &Hash) -> i64 {
    let mut prefix = [0u8; 8];
    prefix.copy_from_slice(leaf.first_chunk::<8>().unwrap_or(&[0; 8]));
    i64::from_be_bytes(prefix)
}

/// The Merkle tree hash of `leaves` (already leaf hashes); of none, the hash of the empty string.
#[must_use]
pub fn merkle_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Sha256::digest([]).into(),
        [leaf] => *leaf,
        _ => {
            // The largest power of two smaller than the number of leaves.
            let split = leaves.len().next_power_of_two() / 2;
            let (left, right) = leaves.split_at(split);
            node(&merkle_root(left), &merkle_root(right))
        }
    }
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([NODE]).chain_update(left).chain_update(right).finalize().into()
}

/// Where the chain of a partition begins.
#[must_use]
pub fn genesis(log_part: LogPart) -> Hash {
    Sha256::new()
        .chain_update(GENESIS_PREFIX)
        .chain_update(i16::from(log_part.number()).to_be_bytes())
        .finalize()
        .into()
}

/// The header of a commit: everything its link of the chain covers apart from the link before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommitHeader {
    pub log_part: LogPart,
    pub first_position: i64,
    pub event_count: i32,
    pub committed_us: i64,
    pub batch_id: Uuid,
    pub events_root: Hash,
}

/// The link after `previous`.
#[must_use]
pub fn chain(previous: &Hash, commit: &CommitHeader) -> Hash {
    Sha256::new()
        .chain_update(CHAIN_PREFIX)
        .chain_update(previous)
        .chain_update(i16::from(commit.log_part.number()).to_be_bytes())
        .chain_update(commit.first_position.to_be_bytes())
        .chain_update(commit.event_count.to_be_bytes())
        .chain_update(commit.committed_us.to_be_bytes())
        .chain_update(commit.batch_id.as_bytes())
        .chain_update(commit.events_root)
        .finalize()
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaf_of(data: &[u8]) -> Hash {
        Sha256::new().chain_update([LEAF]).chain_update(data).finalize().into()
    }

    /// The eight inputs and roots that the certificate-transparency implementations share as a reference.
    #[test]
    fn merkle_roots_agree_with_the_published_reference_tree() {
        let inputs: [&[u8]; 8] = [
            b"",
            b"\x00",
            b"\x10",
            b"\x20\x21",
            b"\x30\x31",
            b"\x40\x41\x42\x43",
            b"\x50\x51\x52\x53\x54\x55\x56\x57",
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let leaves: Vec<Hash> = inputs.iter().map(|input| leaf_of(input)).collect();
        for (n, expected) in (1..).zip(roots) {
            assert_eq!(hex::encode(merkle_root(&leaves[..n])), expected, "tree of {n}");
        }
    }

    #[test]
    fn every_column_changes_the_leaf() {
        let event = EventBytes {
            log_part: AccountKey::from_uuid(Uuid::from_u128(7)).log_part(),
            position: 1,
            version: 2,
            schema_version: 3,
            account: AccountKey::from_uuid(Uuid::from_u128(7)),
            aggregate_id: Uuid::from_u128(8),
            command_id: Uuid::from_u128(9),
            aggregate_type: "credit_account",
            event_type: "spent",
            payload: r#"{"a":1}"#,
            metadata: "{}",
        };
        let other_account = AccountKey::from_uuid(Uuid::from_u128(0xff << 112));
        let variants = [
            EventBytes { log_part: other_account.log_part(), ..event },
            EventBytes { position: 9, ..event },
            EventBytes { version: 9, ..event },
            EventBytes { schema_version: 9, ..event },
            EventBytes { account: other_account, ..event },
            EventBytes { aggregate_id: Uuid::from_u128(1), ..event },
            EventBytes { command_id: Uuid::from_u128(1), ..event },
            EventBytes { aggregate_type: "credit_accoun", event_type: "tspent", ..event },
            EventBytes { event_type: "spend", ..event },
            EventBytes { payload: r#"{"a": 1}"#, ..event },
            EventBytes { metadata: "{ }", ..event },
        ];
        for variant in variants {
            assert_ne!(variant.leaf(), event.leaf(), "{variant:?}");
        }
    }
}
