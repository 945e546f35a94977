//! Stable Rust does not notice a new file in the folder that `sqlx::migrate!` embeds.
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
