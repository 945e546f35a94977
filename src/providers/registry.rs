//! The list of providers of this instance.

use std::sync::Arc;

use super::Provider;

/// Clones share it.
#[derive(Clone, Default)]
pub struct Providers {
    list: Arc<[Arc<dyn Provider>]>,
}

impl Providers {
    /// The first one is the usual one.
    #[must_use]
    pub fn new(list: Vec<Arc<dyn Provider>>) -> Self {
        Self { list: list.into() }
    }

    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<dyn Provider>> {
        self.list.iter().find(|provider| provider.name() == name).cloned()
    }

    /// The one that serves an order which names none.
    #[must_use]
    pub fn usual(&self) -> Option<Arc<dyn Provider>> {
        self.list.first().cloned()
    }

    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.list.iter().map(|provider| provider.name())
    }
}

impl std::fmt::Debug for Providers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}
