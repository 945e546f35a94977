//! The three ends of a hold and its beginning: each one unit of work over the hold, the packages and the credit account.

use super::{Release, Reserve, Settle};
use crate::desk::{Decide, Halt, View};

impl Decide for Reserve {
    fn decide(&self, _view: &mut View<'_>) -> Result<(), Halt> {
        Ok(())
    }
}

impl Decide for Settle {
    fn decide(&self, _view: &mut View<'_>) -> Result<(), Halt> {
        Ok(())
    }
}

impl Decide for Release {
    fn decide(&self, _view: &mut View<'_>) -> Result<(), Halt> {
        Ok(())
    }
}
