//! `outputs`: the files that the finished disk becomes.

use std::sync::LazyLock;

use super::decode::{Decoder, Keys, Node, Site};
use super::language;
use super::model::{Field, Problem, Setting};
use super::scalar;
use crate::diagnostic::Diagnostic;
use crate::expression::Value;
use crate::plan::job::{DiskFormat, Output};
use crate::source::Place;

static KEYS: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Output>);

pub(super) fn outputs(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Vec<Field<Output>> {
    let Some(items) = decoder.items(node, "`outputs`") else { return Vec::new() };
    if items.is_empty() {
        let diagnostic =
            Diagnostic::error("bad-value", "`outputs` lists no output").at(Place::Value(node.route.clone()));
        decoder.push(diagnostic.help("leave the key out for a `qcow2` file"));
    }
    items.iter().filter_map(|node| output(decoder, node)).collect()
}

fn output(decoder: &mut Decoder<'_>, node: &Node<'_>) -> Option<Field<Output>> {
    if !node.value.is_mapping() {
        return decoder.field(node, Site::Plain, scalar::output);
    }
    let table = decoder.table(node, &KEYS)?;
    let format = decoder.require(&table, "format", &KEYS);
    let format = format.and_then(|node| decoder.literal(&node, scalar::disk_format));
    let compress = table.get("compress").and_then(|node| decoder.literal(&node, scalar::compression));
    let subformat = table.get("subformat").and_then(|node| decoder.literal(&node, scalar::line));
    let format = format?;
    if compress.is_some() && format != DiskFormat::Raw {
        let message = format!("`{}` can't be compressed as a file", format.as_str());
        let help = "only `raw` takes `compress`: the others are compressed inside, or not at all";
        let place = Place::Key(node.route.key("compress"));
        decoder.push(Diagnostic::error("conflict", message).at(place).help(help));
    }
    if let Some(subformat) = subformat
        && let Err(problem) = check_subformat(format, &subformat)
    {
        decoder.problem(problem, &node.route.key("subformat"));
    }
    Some(Field { route: node.route.clone(), setting: Setting::Known(Output { format, compress }) })
}

/// The one subformat that Ovenbird writes may be named; there is no choice of others.
fn check_subformat(format: DiskFormat, subformat: &str) -> Result<(), Problem> {
    let name = format.as_str();
    let made = match format {
        DiskFormat::Vmdk => "streamOptimized",
        DiskFormat::Vhd => "fixed",
        DiskFormat::Qcow2 | DiskFormat::Raw | DiskFormat::Vdi | DiskFormat::Vhdx => {
            return Err(Problem::new(format!("`{name}` has no subformats")));
        }
    };
    if subformat == made {
        return Ok(());
    }
    let written = scalar::describe(&Value::String(subformat.to_owned()));
    Err(Problem::new(format!("`{name}` is written as `{made}`, not as {written}")))
}
