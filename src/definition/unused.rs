//! Variables that nothing reads.

use std::collections::HashSet;

use super::decode::Use;
use super::model::{Definition, Variable};
use crate::diagnostic::Diagnostic;
use crate::expression::{Reference, Segment};
use crate::source::Place;

/// A warning for each variable that no expression reads. Only of a definition without errors: what could not be read may
/// have read it.
pub(super) fn unused(definition: &Definition, uses: &[Use]) -> Vec<Diagnostic> {
    let references: Vec<Reference> = uses.iter().flat_map(|one| one.expr.references()).collect();
    let of_vars = references.iter().filter(|reference| reference.context.eq_ignore_ascii_case("vars"));
    // None: `toJSON(vars)` and `vars[…]` may read any.
    let read: Option<HashSet<String>> = of_vars
        .map(|reference| match reference.path.first() {
            Some(Segment::Key(key)) => Some(key.to_lowercase()),
            _ => None,
        })
        .collect();
    let Some(read) = read else { return Vec::new() };
    let unread = definition.variables.iter().filter(|variable| !read.contains(&variable.name.to_lowercase()));
    unread.map(warning).collect()
}

fn warning(variable: &Variable) -> Diagnostic {
    let name = &variable.name;
    Diagnostic::warning("unused-variable", format!("the variable `{name}` is never used"))
        .at(Place::Key(variable.route.clone()))
        .help(format!("read it as `${{{{ vars.{name} }}}}`, or remove it"))
}
