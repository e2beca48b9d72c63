//! PostgreSQL in a container, by testcontainers, where an engine answers.

use crate::{Options, Way};
use std::{env, thread};
use testcontainers::{Container as Handle, ImageExt, runners::SyncRunner};
use testcontainers_modules::postgres::Postgres as Image;

/// Names the image and tag to run instead of the official one.
const IMAGE_VARIABLE: &str = "DB_TEST_POSTGRES_IMAGE";
const IMAGE: &str = "postgres:17-alpine";

/// A running container; dropping it removes the container.
pub(crate) struct Container {
    pub(crate) url: String,
    pub(crate) image: String,
    handle: Option<Handle<Image>>,
}

/// Starts one; the engine's own words say why it could not.
pub(crate) fn postgres(options: &Options) -> Result<Container, Way> {
    let image = env::var(IMAGE_VARIABLE).unwrap_or_else(|_| IMAGE.to_owned());
    let fail = |why: String| Way {
        name: "a container engine",
        why,
        fix: format!("start one that can pull {image}, or set {IMAGE_VARIABLE} to an image that it has"),
    };
    let (name, tag) = image.rsplit_once(':').unwrap_or((&image, "latest"));
    (options.report)(&format!("starting a container of {image}"));
    let handle = Image::default()
        .with_name(name)
        .with_tag(tag)
        .with_startup_timeout(options.start_timeout)
        .start()
        .map_err(|error| fail(error.to_string()))?;
    let host = handle.get_host().map_err(|error| fail(error.to_string()))?;
    let port = handle.get_host_port_ipv4(5432).map_err(|error| fail(error.to_string()))?;
    let url = format!("postgresql://postgres:postgres@{host}:{port}/postgres");
    Ok(Container { url, image, handle: Some(handle) })
}

impl Drop for Container {
    fn drop(&mut self) {
        // Removing blocks on a runtime of its own, which a runtime's thread must not do.
        if let Some(handle) = self.handle.take() {
            let _ = thread::spawn(move || drop(handle)).join();
        }
    }
}
