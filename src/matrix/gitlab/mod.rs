//! The matrix of a job in GitLab's CI configuration: `NAME: { parallel: { matrix: … } }`.
//!
//! As GitLab does it: included files are merged (`include`), then each job is laid over the jobs that it extends
//! (`extend`), then `!reference` is followed, then each entry of the list makes its own product. The configuration is
//! held as a [`tree`] in which every value knows where it stands, whatever file it came from.

mod extend;
mod include;
mod tree;

use serde_json::{Map, Value as Json};
use serde_yaml::Value as Yaml;

use super::expand::Cell;
use super::read::{Found, IN_CI, NEEDS_CONTEXTS, bad_key};
use crate::diagnostic::{Diagnostic, Label};
use crate::source::{FileId, Place, Sources};
use extend::Jobs;
pub use include::{Include, includes, matches};
use tree::{Content, Node};

/// GitLab's limit of jobs that one `parallel` makes.
const MOST_JOBS: usize = 200;

/// What a top-level key is when it is no job.
const KEYWORDS: &[&str] = &[
    "after_script",
    "before_script",
    "cache",
    "default",
    "image",
    "include",
    "services",
    "spec",
    "stages",
    "types",
    "variables",
    "workflow",
];

/// Reads the matrix of a job. `named` is where the definition names the job.
///
/// # Errors
/// Everything that keeps it from being read.
pub(super) fn read(sources: &Sources, file: FileId, job: &str, named: &Label) -> Result<Found, Vec<Diagnostic>> {
    let merged = include::merge(sources, file)?;
    let jobs = Jobs::new(&merged);
    let of_this = |diagnostic: Diagnostic| vec![diagnostic.label(named.clone())];
    let Some(body) = jobs.find(job) else { return Err(vec![unknown(&jobs, job, sources, file, named)]) };
    let extended = jobs.extended(job, body).map_err(of_this)?;
    let Some(parallel) = extended.get("parallel").filter(|parallel| !parallel.is_null()) else {
        let message = format!("the job `{job}` has no `parallel: matrix:`");
        let diagnostic = Diagnostic::error("matrix", message).at(Place::Key(body.route.clone()));
        return Err(of_this(jobs.with_unread(diagnostic)));
    };
    let parallel = jobs.resolve(parallel).map_err(of_this)?;
    let entries = entries(&parallel, job).map_err(of_this)?;
    found(&entries, &parallel).map_err(|errors| errors.into_iter().flat_map(of_this).collect())
}

/// The jobs of a file that have a matrix of their own.
pub(super) fn jobs_with_matrix(value: &Yaml) -> Vec<&str> {
    let jobs = value.as_mapping().into_iter().flatten();
    let with = jobs.filter(|(_, job)| job.get("parallel").is_some_and(|parallel| parallel.get("matrix").is_some()));
    with.filter_map(|(name, _)| name.as_str()).collect()
}

fn unknown(jobs: &Jobs<'_>, job: &str, sources: &Sources, file: FileId, named: &Label) -> Diagnostic {
    let file = sources.get(file).name();
    let message = if KEYWORDS.contains(&job) {
        format!("`{job}` is a keyword of GitLab, no job")
    } else {
        format!("`{file}` has no job `{job}`")
    };
    let diagnostic = Diagnostic::error("unknown-name", message).label(named.clone());
    jobs.with_unread(diagnostic.nearest(job, "jobs", jobs.names()))
}

/// The entries of `parallel: matrix:`.
fn entries<'a>(parallel: &'a Node, job: &str) -> Result<Vec<&'a Node>, Diagnostic> {
    let wrong =
        |message: String, node: &Node| Diagnostic::error("matrix", message).at(Place::Value(node.route.clone()));
    if let Content::Scalar(Yaml::Number(number)) = &parallel.content {
        let message = format!("`parallel: {number}` runs the same job {number} times: that is no matrix");
        let help = format!("give the job `{job}` a `parallel: {{ matrix: […] }}`, or leave `strategy` out");
        return Err(wrong(message, parallel).help(help));
    }
    let Some(matrix) = parallel.get("matrix") else {
        return Err(wrong("`parallel` has no `matrix`".to_owned(), parallel));
    };
    let Content::Sequence(entries) = &matrix.content else {
        let message = format!("`matrix` is a list of mappings in GitLab, and this is {}", matrix.kind());
        return Err(wrong(message, matrix).help("put `- ` before the first key"));
    };
    if entries.is_empty() {
        return Err(wrong("the matrix is an empty list".to_owned(), matrix));
    }
    Ok(entries.iter().collect())
}

/// The product of each entry, one entry after the other; the first key of each varies slowest.
fn found(entries: &[&Node], parallel: &Node) -> Result<Found, Vec<Diagnostic>> {
    let mut errors = Vec::new();
    let (mut cells, mut values, mut count) = (Vec::new(), Vec::new(), 0_usize);
    for entry in entries {
        let vectors = match vectors(entry) {
            Ok(vectors) => vectors,
            Err(wrong) => {
                errors.extend(wrong);
                continue;
            }
        };
        let jobs = vectors.iter().fold(1_usize, |jobs, (_, values)| jobs.saturating_mul(values.len()));
        count = count.saturating_add(jobs);
        if count <= MOST_JOBS {
            cells.extend(product(&vectors));
        }
        for (key, texts) in vectors {
            values.extend(texts.into_iter().map(|(text, route)| (key.clone(), Json::String(text), route)));
        }
    }
    if count > MOST_JOBS {
        let message = format!("the matrix makes {count} jobs, and {MOST_JOBS} is the most, as on GitLab");
        errors.push(Diagnostic::error("matrix", message).at(Place::Key(parallel.route.clone())));
    }
    if errors.is_empty() { Ok(Found { cells, values }) } else { Err(errors) }
}

/// A key, and its values with their places.
type Vector = (String, Vec<(String, crate::source::Route)>);

fn vectors(entry: &Node) -> Result<Vec<Vector>, Vec<Diagnostic>> {
    let Content::Mapping(pairs) = &entry.content else {
        let message =
            format!("an entry of the matrix is a mapping of variables to values, and this is {}", entry.kind());
        return Err(vec![Diagnostic::error("matrix", message).at(Place::Value(entry.route.clone()))]);
    };
    let mut errors = Vec::new();
    if pairs.is_empty() {
        let diagnostic = Diagnostic::error("matrix", "an entry of the matrix is empty");
        errors.push(diagnostic.at(Place::Value(entry.route.clone())));
    }
    let mut vectors: Vec<Vector> = Vec::new();
    for (key, value) in pairs {
        errors.extend(bad_key(key, &value.route));
        if let Some((other, _)) = vectors.iter().find(|(other, _)| other.to_lowercase() == key.to_lowercase()) {
            let message = format!("the variables `{other}` and `{key}` differ in case only, and would be one here");
            errors.push(Diagnostic::error("matrix", message).at(Place::Key(value.route.clone())));
        }
        let items = match &value.content {
            Content::Sequence(items) => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        if items.is_empty() {
            let message = format!("the matrix has no value for `{key}`");
            errors.push(Diagnostic::error("matrix", message).at(Place::Key(value.route.clone())));
        }
        let mut texts = Vec::new();
        for item in items {
            match text(item) {
                Ok(text) => texts.push((text, item.route.clone())),
                Err(wrong) => errors.push(wrong),
            }
        }
        vectors.push((key.clone(), texts));
    }
    if errors.is_empty() { Ok(vectors) } else { Err(errors) }
}

/// A value as GitLab takes it: a text, or a whole number that becomes one.
fn text(node: &Node) -> Result<String, Diagnostic> {
    let place = Place::Value(node.route.clone());
    match &node.content {
        Content::Scalar(Yaml::String(text)) => match variable(text) {
            None => Ok(text.clone()),
            Some(variable) => {
                let message = format!("the matrix needs `{variable}`, which {IN_CI}");
                Err(Diagnostic::error(NEEDS_CONTEXTS, message).at(place))
            }
        },
        Content::Scalar(Yaml::Number(number)) if number.is_i64() || number.is_u64() => Ok(number.to_string()),
        Content::Scalar(Yaml::Number(number)) => {
            let diagnostic = Diagnostic::error("matrix", format!("GitLab refuses the number `{number}` in a matrix"));
            Err(diagnostic.at(place).help("values are texts or whole numbers there: put it in quotes"))
        }
        Content::Scalar(Yaml::Bool(value)) => {
            let diagnostic = Diagnostic::error("matrix", format!("GitLab refuses the boolean `{value}` in a matrix"));
            Err(diagnostic.at(place).help(format!("values are texts or whole numbers there: write `\"{value}\"`")))
        }
        _ => {
            let message = format!("a value of GitLab's matrix is a text, and this is {}", node.kind());
            Err(Diagnostic::error("matrix", message).at(place))
        }
    }
}

/// The variable or the input that a text names: `$X`, `${X}`, `$[[ inputs.x ]]`. `$$` is a dollar sign.
fn variable(text: &str) -> Option<String> {
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let after = rest.get(at + 1..).unwrap_or_default();
        let end = match after.chars().next() {
            Some('[') if after.starts_with("[[") => after.find("]]").map(|end| end + 2),
            Some('{') => after.find('}').map(|end| end + 1),
            Some(char) if char.is_ascii_alphabetic() || char == '_' => {
                let word = |char: char| char.is_ascii_alphanumeric() || char == '_';
                Some(after.find(|char: char| !word(char)).unwrap_or(after.len()))
            }
            _ => None,
        };
        if let Some(end) = end {
            return Some(format!("${}", after.get(..end).unwrap_or_default()));
        }
        rest = after.strip_prefix('$').unwrap_or(after);
    }
    None
}

fn product(vectors: &[Vector]) -> Vec<Cell> {
    let mut rows: Vec<Map<String, Json>> = vec![Map::new()];
    for (key, values) in vectors {
        let longer = |row: &Map<String, Json>, text: &str| {
            let mut row = row.clone();
            row.insert(key.clone(), Json::from(text));
            row
        };
        rows = rows.iter().flat_map(|row| values.iter().map(move |(text, _)| longer(row, text))).collect();
    }
    rows.into_iter().map(Cell::of_originals).collect()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "a failed test is what it is for")]

    use super::*;
    use crate::source::Route;

    /// The number of cells of the job `build`, or the messages of what is wrong. The first file is the configuration.
    fn cells(files: &[(&str, &str)]) -> Result<usize, Vec<String>> {
        let (mut sources, mut wrong) = Sources::parse(files[0].0, files[0].1);
        for (name, text) in &files[1..] {
            wrong.extend(sources.add(name, text).1);
        }
        assert_eq!(wrong, []);
        let named = Label::new(Place::Value(Route::root()));
        let found = read(&sources, FileId::default(), "build", &named).map(|found| found.cells.len());
        found.map_err(|errors| errors.into_iter().map(|error| error.message).collect())
    }

    #[test]
    fn variables_of_gitlab_are_told_from_other_dollar_signs() {
        for (text, name) in [
            ("$A", "$A"),
            ("a-$B_1.x", "$B_1"),
            ("${C}d", "${C}"),
            ("x $[[ inputs.y ]]", "$[[ inputs.y ]]"),
            ("$$$D", "$D"),
        ] {
            assert_eq!(variable(text).as_deref(), Some(name), "{text}");
        }
        for text in ["", "$", "5$", "$5", "$$A", "a $ b", "$[x]", "${open", "$[[ open"] {
            assert_eq!(variable(text), None, "{text}");
        }
    }

    #[test]
    fn one_star_matches_in_a_folder_and_two_match_below_it() {
        for (pattern, path, fits) in [
            ("ci/*.yml", "ci/a.yml", true),
            ("ci/*.yml", "ci/a/b.yml", false),
            ("ci/**.yml", "ci/a/b.yml", true),
            ("ci/**/*.yml", "ci/a/b.yml", true),
            ("ci/**/*.yml", "ci/b.yml", false),
            ("*/a*.yml", "ci/abc.yml", true),
            ("*/a*.yml", "ci/xabc.yml", false),
            ("ü*", "üß", true),
        ] {
            assert_eq!(matches(pattern, path), fits, "{pattern} {path}");
        }
    }

    #[test]
    fn references_that_multiply_are_stopped() {
        let mut text = "build: { parallel: { matrix: [{ A: !reference [.l0, x] }] } }\n".to_owned();
        for level in 0..9 {
            let next = format!("!reference [.l{}, x]", level + 1);
            text.push_str(&format!(".l{level}: {{ x: [{}] }}\n", vec![next; 40].join(", ")));
        }
        text.push_str(".l9: { x: [a] }\n");
        let errors = cells(&[(".gitlab-ci.yml", &text)]).unwrap_err();
        assert_eq!(errors, ["`extends` and `!reference` make more than 1000000 values of this"]);
    }

    #[test]
    fn references_lead_through_ten_others_at_most() {
        let chain = |length: usize| {
            let mut text = "build: { parallel: { matrix: [{ A: !reference [.l1, x] }] } }\n".to_owned();
            for level in 1..length {
                text.push_str(&format!(".l{level}: {{ x: !reference [.l{}, x] }}\n", level + 1));
            }
            text.push_str(&format!(".l{length}: {{ x: [a, b] }}\n"));
            cells(&[(".gitlab-ci.yml", &text)])
        };
        assert_eq!(chain(10), Ok(2));
        assert_eq!(chain(11), Err(vec!["references lead through more than 10 others, GitLab's limit".to_owned()]));
    }

    #[test]
    fn files_that_include_the_same_file_are_counted_each_time() {
        let main = "include: [a.yml, a.yml]\nbuild: { extends: .x }\n";
        let leaf = ".x: { parallel: { matrix: [{ A: [b, c] }] } }\n";
        assert_eq!(cells(&[(".gitlab-ci.yml", main), ("a.yml", leaf)]), Ok(2));
        let many = format!("include: [{}]\nbuild: {{ extends: .x }}\n", vec!["a.yml"; 151].join(", "));
        let errors = cells(&[(".gitlab-ci.yml", &many), ("a.yml", leaf)]).unwrap_err();
        assert_eq!(errors, ["more than 150 files are included, which is GitLab's limit"]);
    }

    #[test]
    fn two_hundred_jobs_are_the_most() {
        let matrix = |values: usize| {
            let values: Vec<String> = (0..values).map(|value| format!("v{value}")).collect();
            let text = format!("build: {{ parallel: {{ matrix: [{{ A: [{}], B: [x, y] }}] }} }}\n", values.join(", "));
            cells(&[(".gitlab-ci.yml", &text)])
        };
        assert_eq!(matrix(100), Ok(200));
        assert_eq!(matrix(101), Err(vec!["the matrix makes 202 jobs, and 200 is the most, as on GitLab".to_owned()]));
    }
}
