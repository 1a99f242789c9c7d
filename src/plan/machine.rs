//! A platform's settings, resolved.

use camino::Utf8Path;

use super::job::{Accelerator, Arch, Checksum, Connect, Debian, Firmware, Image, Kernel, Platform, Qemu, Source};
use super::model::{FileKind, NeededFile};
use super::scope::{Resolver, Scope};
use crate::definition::{self, Field, is_url, show_size};
use crate::diagnostic::Diagnostic;
use crate::event::JobId;
use crate::source::{Place, Route};

const GIB: u64 = 1024 * 1024 * 1024;
const DEFAULT_MEMORY: u64 = GIB;
const DEFAULT_CPUS: u32 = 2;
/// Without KVM, on a busy machine, a Debian guest needs minutes until its SSH server answers.
const DEFAULT_CONNECT_TIMEOUT: u64 = 10 * 60;
/// A Debian system with a kernel, its modules and room for a package or two.
const LEAST_DEBIAN_DISK: u64 = GIB;

/// The machine of one job, and the files that it starts from.
pub(super) fn machine(
    resolver: &mut Resolver<'_>,
    platform: &definition::Platform,
    scope: &Scope,
    root: &Utf8Path,
    job: &JobId,
) -> Option<(Platform, Vec<NeededFile>)> {
    let (source, files) = source(resolver, platform, scope, root, job);
    let disk_size = resolver.optional(platform.disk_size.as_ref(), scope);
    if let (Some(Source::Debian(_)), Some(size), Some(field)) = (&source, disk_size, &platform.disk_size) {
        check_debian_disk(resolver, size, &field.route);
    }
    let qemu = Qemu {
        arch: resolver.optional(platform.arch.as_ref(), scope).unwrap_or(Arch::Amd64),
        disk_size,
        memory: resolver.optional(platform.memory.as_ref(), scope).unwrap_or(DEFAULT_MEMORY),
        cpus: resolver.optional(platform.cpus.as_ref(), scope).unwrap_or(DEFAULT_CPUS),
        firmware: resolver.optional(platform.firmware.as_ref(), scope).unwrap_or(Firmware::Bios),
        accelerator: resolver.optional(platform.accelerator.as_ref(), scope).unwrap_or(Accelerator::Auto),
        connect: Connect {
            user: resolver.optional(platform.user.as_ref(), scope).unwrap_or_else(|| "root".to_owned()),
            timeout: resolver.optional(platform.connect_timeout.as_ref(), scope).unwrap_or(DEFAULT_CONNECT_TIMEOUT),
        },
        source: source?,
    };
    Some((Platform::Qemu(qemu), files))
}

fn check_debian_disk(resolver: &mut Resolver<'_>, size: u64, route: &Route) {
    if size < LEAST_DEBIAN_DISK {
        let message = format!("a Debian system does not fit on a disk of {}", show_size(size));
        let diagnostic = Diagnostic::error("bad-value", message).at(Place::Value(route.clone()));
        resolver.push(diagnostic.help(format!("give at least {}", show_size(LEAST_DEBIAN_DISK))));
    }
}

fn source(
    resolver: &mut Resolver<'_>,
    platform: &definition::Platform,
    scope: &Scope,
    root: &Utf8Path,
    job: &JobId,
) -> (Option<Source>, Vec<NeededFile>) {
    match &platform.source {
        definition::Source::Debian(debian) => {
            let suite = resolver.field(&debian.suite, scope);
            let packages = resolver.list(debian.packages.as_ref(), scope);
            let kernel = resolver.optional(debian.kernel.as_ref(), scope).unwrap_or(Kernel::Generic);
            let cloud_init = resolver.optional(debian.cloud_init.as_ref(), scope).unwrap_or(true);
            let mirror = resolver.optional(debian.mirror.as_ref(), scope);
            let apt_sources = resolver.optional(debian.apt_sources.as_ref(), scope);
            let debian = |suite| Debian { suite, packages, kernel, cloud_init, mirror, apt_sources };
            (suite.map(debian).map(Source::Debian), Vec::new())
        }
        definition::Source::Image { image, checksum } => {
            image_source(resolver, image, checksum.as_ref(), scope, root, job)
        }
    }
}

fn image_source(
    resolver: &mut Resolver<'_>,
    image: &Field<String>,
    checksum: Option<&Field<Checksum>>,
    scope: &Scope,
    root: &Utf8Path,
    job: &JobId,
) -> (Option<Source>, Vec<NeededFile>) {
    let mut files = Vec::new();
    let mut local = |written: String, kind: FileKind, route: &Route| {
        if is_url(&written) {
            return written;
        }
        let path = root.join(&written);
        let place = Place::Value(route.clone());
        files.push(NeededFile { job: job.clone(), step: None, kind, path: path.clone(), written, place, used: None });
        path.into_string()
    };
    let before = resolver.missing();
    let checksum_value = resolver.optional(checksum, scope).map(|value| match (value, checksum) {
        (Checksum::File(list), Some(field)) => Checksum::File(local(list, FileKind::Checksums, &field.route)),
        (value, _) => value,
    });
    let checksum_known =
        resolver.missing() == before && !resolver.definition.broken.has(&beside(&image.route, "checksum"));
    let image_value = resolver.field(image, scope).map(|value| local(value, FileKind::Image, &image.route));
    if image_value.as_deref().is_some_and(is_url) && checksum_value.is_none() && checksum_known {
        let diagnostic = Diagnostic::error("missing-key", "an image from the web needs a `checksum`");
        let help = "add `checksum: \"sha256:…\"`, or `file:` and the URL of the `SHA256SUMS` beside the image";
        resolver.push(diagnostic.at(Place::Value(image.route.clone())).help(help));
    }
    let source = image_value.map(|image| Source::Image(Image { image, checksum: checksum_value }));
    (source, files)
}

/// Another key of the mapping that a value is in.
fn beside(route: &Route, key: &str) -> Route {
    route.split_last().map(|(_, parent)| parent.key(key)).unwrap_or_default()
}
