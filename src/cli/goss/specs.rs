//! From rendered goss files to resources, on the lines of the files as they are written.

use crate::diagnostic::{self, Diagnostic};
use crate::smoke::load::Loaded;
use crate::smoke::spec::{self, Resource};
use crate::smoke::template::Rendered;
use crate::source::Sources;

/// What files ask for.
pub(super) struct Parsed {
    /// In the order of the merge, with places in the files as they are written.
    pub(super) resources: Vec<Resource>,
    /// The rendered texts, in the order of the files.
    pub(super) sources: Sources,
    /// At places in `sources`.
    pub(super) diagnostics: Vec<Diagnostic>,
}

/// Reads rendered files. None: there is none.
pub(super) fn parse(loaded: &Loaded) -> Option<Parsed> {
    let mut sources: Option<Sources> = None;
    let (mut resources, mut diagnostics) = (Vec::new(), Vec::new());
    for rendered in &loaded.files {
        let name = shown(rendered);
        let (mut file, found) = match &mut sources {
            Some(sources) => {
                let (file, _, found) = spec::parse_into(sources, &name, &rendered.text);
                (file, found)
            }
            None => {
                let (file, first, found) = spec::parse(&name, &rendered.text);
                sources = Some(first);
                (file, found)
            }
        };
        diagnostics.extend(found);
        for resource in &mut file.resources {
            let places = resource.assertions.iter_mut().map(|assertion| &mut assertion.place);
            for place in places.chain([&mut resource.place]) {
                place.file = rendered.file.as_str().into();
                place.line = rendered.source_line(place.line);
            }
        }
        resources.extend(file.resources);
    }
    let sources = sources?;
    diagnostic::sort(&mut diagnostics, &sources);
    Some(Parsed { resources, sources, diagnostics })
}

/// A mistake is shown with the lines of the text that it is in, which templates may have made.
fn shown(rendered: &Rendered) -> String {
    if is_as_written(rendered) { rendered.file.clone() } else { format!("{} (rendered)", rendered.file) }
}

/// Whether templates moved no line.
fn is_as_written(rendered: &Rendered) -> bool {
    rendered.lines.iter().zip(1..).all(|(line, number)| *line == number)
}
