//! Who has which key: a user has one, and a repeated idempotency key gets what it got.

use std::collections::HashMap;

/// Users the stand-in remembers: enough for a demonstration, and no more than memory is good for.
const USERS_MAX: usize = 100_000;

#[derive(Clone)]
pub(super) struct Key {
    pub(super) key: String,
    pub(super) key_id: String,
}

#[derive(Default)]
pub(super) struct Keys {
    by_user: HashMap<String, Key>,
    by_request: HashMap<String, Key>,
    made: u64,
}

impl Keys {
    /// The key of this request or user; a new one where there is none.
    pub(super) fn issue(&mut self, user: &str, request: Option<&str>) -> Key {
        let known = request.and_then(|request| self.by_request.get(request)).or_else(|| self.by_user.get(user));
        let key = known.cloned().unwrap_or_else(|| self.make());
        if self.by_user.len() >= USERS_MAX || self.by_request.len() >= USERS_MAX {
            self.by_user.clear();
            self.by_request.clear();
        }
        self.by_user.entry(user.to_owned()).or_insert_with(|| key.clone());
        if let Some(request) = request {
            self.by_request.insert(request.to_owned(), key.clone());
        }
        key
    }

    fn make(&mut self) -> Key {
        self.made += 1;
        let secret: [u8; 24] = rand::random();
        Key { key: format!("sk-{}", hex::encode(secret)), key_id: format!("key-{}", self.made) }
    }
}
