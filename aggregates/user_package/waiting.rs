//! Packages that wait for another one of the same product to end.

use chrono::{DateTime, Utc};

use super::UserPackageCommand;
use crate::command::ask_package;
use crate::desk::{Halt, View};
use crate::holdings::HeldPackage;
use crate::ids::{AggregateId, ProductId};

/// Whatever of a product has not started yet starts as soon as those before it have ended: for when one of them ended
/// early. Said again it changes nothing.
pub(crate) fn move_up_waiting(view: &mut View<'_>, product: ProductId) -> Result<(), Halt> {
    let at = view.at();
    let (mut waiting, running): (Vec<HeldPackage>, Vec<_>) =
        view.holdings()?.unended(product, at).copied().partition(|held| at < held.starts_at);
    waiting.sort_by_key(|held| (held.starts_at, held.package));
    view.need(waiting.iter().map(|held| AggregateId::user_package(held.package)))?;
    let mut free_from: DateTime<Utc> = running.into_iter().map(|held| held.ends_at).fold(at, Ord::max);
    for HeldPackage { package, starts_at, .. } in waiting {
        if free_from < starts_at {
            ask_package(view, package, &UserPackageCommand::Move { starts_at: free_from })?;
        }
        let ends_at = view.user_package(package)?.run().map(|(_, _, ends_at)| ends_at);
        free_from = ends_at.map_or(free_from, |ends_at| free_from.max(ends_at));
    }
    Ok(())
}
