//! What expressions see in one job, for whoever wants to try one out.

use camino::Utf8Path;

use super::inputs::Inputs;
use super::machine::machine;
use super::resolve::{common, job_scope, platform_context, targets};
use super::scope::Resolver;
use crate::definition::Definition;
use crate::diagnostic::Diagnostic;
use crate::expression::{Object, Value};
use crate::secret::MASK;
use crate::source::{Route, Sources};

/// Every context that is known when a job is planned: of the first job, unless one is named. `root` is the definition's
/// folder, absolute. Sensitive values are masked.
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
    let mut resolver = Resolver::new(definition, sources, Some(target.id.clone()));
    let common = common(&mut resolver, inputs);
    let mut scope = job_scope(target, &common);
    scope.platform = target.platform.and_then(|platform| {
        let (resolved, _) = machine(&mut resolver, platform, &scope, root, &target.id)?;
        Some(platform_context(&platform.name, &resolved))
    });
    let (env, _) = resolver.env(&definition.env, &Route::root().key("env"), &scope);
    scope.env = Some(env.into_iter().map(|var| (var.name, Value::from(var.value.to_string()))).collect());
    if !resolver.diagnostics.is_empty() {
        return Err(resolver.diagnostics);
    }
    for variable in definition.variables.iter().filter(|variable| variable.sensitive) {
        scope.vars.insert(&variable.name, Value::from(MASK));
    }
    Ok(scope.known().map(|(name, context)| (name, Value::Object(context.clone()))).collect())
}
