use super::*;

pub(super) fn stored() -> Stored {
    vec![]
}
