//! What others choose, put into the text of a script.
//!
//! An expression's value becomes part of the script before a shell reads it. Who opens a pull request names its branch, and
//! git lets a branch be called `a";reboot;"`.

use super::decode::{Site, Use};
use crate::diagnostic::Diagnostic;
use crate::expression::{Reference, Segment as Name};
use crate::source::{Place, Segment};

/// Names of `ci` and `git` that are text of who pushes, tags, or opens a pull request.
const CHOSEN_BY_OTHERS: [(&str, &[&str]); 2] =
    [("ci", &["branch", "tag", "ref", "actor"]), ("git", &["branch", "tag"])];

/// A warning for each of them in `run` and `local`.
pub(super) fn warnings(uses: &[Use]) -> Vec<Diagnostic> {
    let scripts = uses.iter().filter(|one| is_script(one));
    scripts.flat_map(|one| one.expr.ingredients().into_iter().filter_map(|found| warning(one, &found))).collect()
}

/// Whether a shell reads the text: `args` reach it apart from its script.
fn is_script(one: &Use) -> bool {
    let key = one.route.segments().last();
    matches!(one.site, Site::Script | Site::Local)
        && matches!(key, Some(Segment::Key(key)) if key == "run" || key == "local")
}

fn warning(one: &Use, reference: &Reference) -> Option<Diagnostic> {
    let (context, names) =
        CHOSEN_BY_OTHERS.into_iter().find(|(context, _)| reference.context.eq_ignore_ascii_case(context))?;
    let name = match reference.path.first() {
        Some(Name::Key(key)) => *names.iter().find(|name| name.eq_ignore_ascii_case(key))?,
        // It may be any of them.
        _ => names.first()?,
    };
    let message = format!("`{context}.{name}` is run as part of the script, and others choose it");
    let help = format!(
        "pass it by `env:`, as in `{}: ${{{{ {context}.{name} }}}}`, and read `\"${0}\"` in the script",
        name.to_uppercase()
    );
    let span = reference.span.start + one.offset..reference.span.end + one.offset;
    Some(Diagnostic::warning("script-injection", message).at(Place::Inside(one.route.clone(), span)).help(help))
}
