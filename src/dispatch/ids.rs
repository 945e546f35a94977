//! Ids of commands. What is asked twice must have the same id twice, so an id follows from whatever makes the request
//! the same one: a client's key, a charge's reference, a provider's payment. Only what cannot repeat is random.

use aggregates::CommandId;
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// For what nobody will ask again. Grows with time.
#[must_use]
pub fn fresh() -> CommandId {
    CommandId::from_uuid(Uuid::now_v7())
}

/// The same words, the same id. Each word is counted, so `["ab", "c"]` and `["a", "bc"]` differ.
#[must_use]
pub fn derived(purpose: &str, words: &[&str]) -> CommandId {
    let mut digest = Sha256::new();
    for word in std::iter::once(purpose).chain(words.iter().copied()) {
        digest.update((word.len() as u64).to_be_bytes());
        digest.update(word.as_bytes());
    }
    let digest: [u8; 32] = digest.finalize().into();
    let bytes = digest.first_chunk::<16>().copied().unwrap_or_default();
    CommandId::from_uuid(uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_have_the_same_id_and_others_do_not() {
        assert_eq!(derived("charge", &["a", "b"]), derived("charge", &["a", "b"]));
        for other in [derived("charge", &["ab"]), derived("charge", &["b", "a"]), derived("order", &["a", "b"])] {
            assert_ne!(derived("charge", &["a", "b"]), other);
        }
        assert_ne!(derived("", &["ab", "c"]), derived("", &["a", "bc"]));
    }
}
