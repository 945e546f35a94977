//! The routes, one file per resource.

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

#[must_use]
pub fn routes(_app: &App) -> OpenApiRouter {
    OpenApiRouter::new()
}
