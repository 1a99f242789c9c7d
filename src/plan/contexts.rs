//! What expressions see in one job, for whoever wants to try one out.

use camino::Utf8Path;

use super::inputs::Inputs;
use super::machine::machine;
use super::resolve::{platform_context, targets};
use super::scope::{Resolver, Scope};
use crate::definition::Definition;
use crate::diagnostic::Diagnostic;
use crate::expression::{Environment, Object};
use crate::source::{Route, Sources};

/// The contexts of a job's steps, by name; of the first job when none is named. `root` is the definition's folder,
/// absolute. Sensitive variables are null.
///
/// # Errors
/// There is no such job, or what an expression's value makes wrong in it.
pub fn contexts(
    sources: &Sources,
    definition: &Definition,
    inputs: &Inputs,
    root: &Utf8Path,
    job: Option<&str>,
) -> Result<Object, Vec<Diagnostic>> {
    let targets = targets(definition, true);
    let target = targets.iter().find(|target| job.is_none_or(|job| target.id.0 == job)).ok_or_else(|| {
        let name = job.unwrap_or_default();
        let ids = targets.iter().map(|target| target.id.0.as_str());
        vec![Diagnostic::error("unknown-job", format!("there is no job `{name}`")).nearest(name, "jobs", ids)]
    })?;
    let vars: Object = inputs.variables.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let scope = Scope { vars, matrix: Some(Object::from(&target.cell)), ..Scope::default() };
    let mut resolver = Resolver::new(definition, sources, Some(target.id.clone()));
    let platform = target.platform.and_then(|platform| {
        let (resolved, _) = machine(&mut resolver, platform, &scope, root, &target.id)?;
        Some(platform_context(&platform.name, &resolved))
    });
    let scope = Scope { platform, ..scope };
    let env = resolver.env(&definition.env, &Route::root().key("env"), &scope);
    if !resolver.diagnostics.is_empty() {
        return Err(resolver.diagnostics);
    }
    let scope = scope.with_env(&env);
    let names = ["vars", "matrix", "platform", "env"];
    Ok(names.into_iter().filter_map(|name| Some((name, scope.context(name)?))).collect())
}
