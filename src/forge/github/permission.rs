//! Why GitHub refuses a write, and the line of a workflow that allows it. Pure.
//!
//! The lines are those of "Permissions required for GitHub Apps" in GitHub's REST API documentation, whose app the
//! workflow's token belongs to.

/// What a workflow's token may be asked to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feature {
    CheckRuns,
}

impl Feature {
    /// The line that a job of a workflow needs.
    fn line(self) -> &'static str {
        match self {
            Self::CheckRuns => "permissions: { contents: read, checks: write }",
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::CheckRuns => "check runs",
        }
    }
}

/// Whatever else could not be written, a person finds it there.
const INSTEAD: &str = "results are in annotations and in the summary of this step instead";

/// The token may not write.
pub(super) fn refused(feature: Feature, status: u16, is_fork: bool) -> String {
    let what = feature.what();
    if is_fork {
        return format!(
            "GitHub does not let this run write {what} (status {status}): pull requests from forks get a read-only token; \
             {INSTEAD}"
        );
    }
    let cure = match status {
        401 => "the token is not valid".to_owned(),
        _ => format!("add `{}` to the job in the workflow", feature.line()),
    };
    format!("GitHub does not let this run write {what} (status {status}): {cure}; {INSTEAD}")
}

/// There is no token, or nothing to use it on.
pub(super) fn missing(feature: Feature, variable: &str) -> String {
    let (what, line) = (feature.what(), feature.line());
    let set = match variable {
        "GITHUB_TOKEN" => format!("set `GITHUB_TOKEN: ${{{{ github.token }}}}` below `env:` of the step, and `{line}`"),
        _ => "GitHub's runner sets it: pass it on to where ovenbird runs".to_owned(),
    };
    format!("no {what} are written, for `{variable}` is not set; {INSTEAD}. {set}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_line_to_add_and_a_fork_is_told_that_there_is_none() {
        let head = "GitHub does not let this run write check runs";
        for (told, middle) in [
            (
                refused(Feature::CheckRuns, 403, false),
                "(status 403): add `permissions: { contents: read, checks: write }`",
            ),
            (refused(Feature::CheckRuns, 401, false), "(status 401): the token is not valid"),
            (refused(Feature::CheckRuns, 403, true), "(status 403): pull requests from forks get a read-only token"),
        ] {
            assert!(told.starts_with(&format!("{head} {middle}")) && told.ends_with(INSTEAD), "{told}");
        }
        let told = missing(Feature::CheckRuns, "GITHUB_TOKEN");
        assert!(told.starts_with("no check runs are written, for `GITHUB_TOKEN` is not set"), "{told}");
        let lines = "`GITHUB_TOKEN: ${{ github.token }}` below `env:` of the step, and `permissions: { contents: read,";
        assert!(told.contains(lines), "{told}");
    }
}
