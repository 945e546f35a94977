//! What has happened to a product, with wire names.

use serde::{Deserialize, Serialize};

use super::command::ProductContent;
use crate::events::events;

events! {
    ProductEvent {
        "created" v 2 => Created(ProductContent),
        "changed" v 2 => Changed(ProductContent),
        "taken_off_sale" v 1 => TakenOffSale(TakenOffSale),
        "put_on_sale" v 1 => PutOnSale(PutOnSale),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenOffSale {}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PutOnSale {}
