//! `platforms`: where machines come from.

use std::sync::LazyLock;

use super::decode::{Decoder, Keys, Node, Site, Table};
use super::language;
use super::model::{Debian, Platform, Problem, Source};
use super::scalar;
use crate::diagnostic::Diagnostic;
use crate::expression::Value;
use crate::source::Place;

static PLATFORM: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Platform>);
static DEBIAN: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Debian>);
static IMAGE: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Image>);
/// The keys of every kind of source, for one that does not say which it is.
static SOURCE: LazyLock<Keys> = LazyLock::new(|| Keys {
    of: "a source",
    known: DEBIAN.known.iter().chain(&IMAGE.known).cloned().collect(),
    later: language::LATER_SOURCES,
});
static CONNECT: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Connect>);

pub(super) fn platforms(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Vec<Platform> {
    let Some(entries) = decoder.entries(node, "`platforms`") else { return Vec::new() };
    if entries.is_empty() {
        let message = "`platforms` names no platform";
        let diagnostic = Diagnostic::error("bad-value", message).at(Place::Value(node.route.clone()));
        decoder.push(diagnostic.help("such as `qemu: { builder: qemu, source: { debian: bookworm } }`"));
    }
    entries.into_iter().filter_map(|(name, node)| platform(decoder, name, &node)).collect()
}

fn platform(decoder: &mut Decoder<'_>, name: &str, node: &Node<'_>) -> Option<Platform> {
    if let Err(problem) = super::load::name(&Value::String(name.to_owned())) {
        let diagnostic = Diagnostic::error("bad-name", problem.message).at(Place::Key(node.route.clone()));
        decoder.push(diagnostic.help(problem.help.unwrap_or_default()));
    }
    let table = decoder.table(node, &PLATFORM)?;
    if let Some(node) = decoder.require(&table, "builder", &PLATFORM) {
        decoder.literal(&node, builder);
    }
    let source = decoder.require(&table, "source", &PLATFORM).and_then(|node| source(decoder, &node));
    let site = Site::Platform;
    let arch = decoder.optional(&table, "arch", site, scalar::arch);
    let disk_size = decoder.optional(&table, "disk-size", site, scalar::disk_size);
    let memory = decoder.optional(&table, "memory", site, scalar::memory);
    let cpus = decoder.optional(&table, "cpus", site, scalar::cpus);
    let firmware = decoder.optional(&table, "firmware", site, scalar::firmware);
    let accelerator = decoder.optional(&table, "accelerator", site, scalar::accelerator);
    let connect = table.get("connect").and_then(|node| decoder.table(&node, &CONNECT));
    let user = connect.as_ref().and_then(|table| decoder.optional(table, "user", site, scalar::user));
    let connect_timeout =
        connect.as_ref().and_then(|table| decoder.optional(table, "timeout-minutes", site, scalar::minutes));
    Some(Platform {
        name: name.to_owned(),
        route: node.route.clone(),
        source: source?,
        arch,
        disk_size,
        memory,
        cpus,
        firmware,
        accelerator,
        user,
        connect_timeout,
    })
}

fn builder(value: &Value) -> Result<(), Problem> {
    let builder = scalar::line(value)?;
    let later = ["amazon-ebs", "openstack", "virtualbox", "vsphere", "docker", "host"];
    match builder.as_str() {
        known if scalar::BUILDERS.contains(&known) => Ok(()),
        later_builder if later.contains(&later_builder) => {
            Err(Problem::new(format!("this version of Ovenbird does not have the builder `{builder}` yet"))
                .help("it has `qemu`"))
        }
        "kvm" | "libvirt" => Err(Problem::new(format!("there is no builder `{builder}`"))
            .help("did you mean `qemu`? it uses KVM where that works")),
        _ => Err(Problem::new(format!("there is no builder `{builder}`")).help("this version of Ovenbird has `qemu`")),
    }
}

fn source(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Option<Source> {
    if let Some(text) = node.value.as_str() {
        let kind = if text.contains(['/', '.']) { "image" } else { "debian" };
        let diagnostic = Diagnostic::error("wrong-type", "expected a source, a mapping, found a text");
        let diagnostic = diagnostic.at(Place::Value(node.route.clone()));
        decoder.push(diagnostic.help(format!("say what it is, such as `source: {{ {kind}: {text} }}`")));
        return None;
    }
    let has = |key: &str| node.value.get(key).is_some();
    match (has("debian"), has("image")) {
        (true, false) => {
            let table = decoder.table(node, &DEBIAN)?;
            debian(decoder, &table)
        }
        (false, true) => {
            let table = decoder.table(node, &IMAGE)?;
            let image = decoder.require(&table, "image", &IMAGE);
            let image = image.and_then(|node| decoder.field(&node, Site::Platform, scalar::image));
            let checksum = decoder.optional(&table, "checksum", Site::Platform, scalar::checksum);
            Some(Source::Image { image: image?, checksum })
        }
        (true, true) => {
            let message = "a source is either `debian` or `image`, not both";
            let diagnostic = Diagnostic::error("conflict", message).at(Place::Key(node.route.key("image")));
            decoder.push(diagnostic.help("keep one of them, or make two platforms of it"));
            None
        }
        (false, false) => {
            let before = decoder.diagnostics.len();
            decoder.table(node, &SOURCE);
            if decoder.diagnostics.len() == before {
                let message = "a source needs one of the keys `debian` and `image`";
                decoder.push(Diagnostic::error("missing-key", message).at(Place::Value(node.route.clone())));
            }
            None
        }
    }
}

fn debian(decoder: &mut Decoder<'_>, table: &Table<'_>) -> Option<Source> {
    let site = Site::Platform;
    let suite = decoder.require(table, "debian", &DEBIAN);
    let suite = suite.and_then(|node| decoder.field(&node, site, scalar::suite));
    let packages = table.get("packages");
    let packages = packages.and_then(|node| decoder.list(&node, "`packages`", site, scalar::package, scalar::packages));
    let kernel = decoder.optional(table, "kernel", site, scalar::kernel);
    let cloud_init = decoder.optional(table, "cloud-init", site, scalar::boolean);
    let mirror = decoder.optional(table, "mirror", site, scalar::url);
    let apt_sources = decoder.optional(table, "apt-sources", site, scalar::apt_sources);
    Some(Source::Debian(Box::new(Debian { suite: suite?, packages, kernel, cloud_init, mirror, apt_sources })))
}
