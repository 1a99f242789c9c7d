//! From text to a [`Definition`], or to everything that is wrong with it.

use super::broken::Broken;
use super::check;
use std::sync::LazyLock;

use super::decode::{Decoder, Keys, Node, Site};
use super::files::{self, ReadFile};
use super::given::{self, GivenFile, GivenMatrix};
use super::language;
use super::model::{Definition, Problem};
use super::{numbers, output, platform, scalar, secrets, step, strategy, testing, uses, variable};
use crate::diagnostic::{self, Diagnostic};
use crate::expression::Value;
use crate::source::{FileId, Place, Route, Sources};

static KEYS: LazyLock<Keys> = LazyLock::new(Keys::of::<language::Definition>);

/// A file that is no valid definition, and why not: in the order of the file.
#[derive(Clone, Debug)]
pub struct Report {
    pub sources: Sources,
    pub diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// The report as people read it.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        diagnostic::render(&self.diagnostics, &self.sources, colour)
    }
}

/// What became of a definition's text, with its mistakes.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// As far as it could be read: [`Definition::broken`] says what is missing. None: there is nothing to go on with.
    pub definition: Option<Definition>,
    pub sources: Sources,
    /// In the order of the files.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// The definition, if nothing is wrong with it.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn whole(self) -> Result<(Definition, Sources), Box<Report>> {
        let Self { definition, sources, diagnostics } = self;
        match definition {
            Some(definition) if !diagnostic::has_errors(&diagnostics) => Ok((definition, sources)),
            _ => Err(Box::new(Report { sources, diagnostics })),
        }
    }
}

/// Reads a definition of which nothing may be wrong: [`read`], [`Loaded::whole`].
///
/// # Errors
/// Everything that is wrong with it.
pub fn load(file_name: &str, text: &str, read_file: ReadFile<'_>) -> Result<(Definition, Sources), Box<Report>> {
    read(file_name, text, read_file, &GivenMatrix::None).whole()
}

/// Reads a definition, with the files that it names and a matrix or a cell from outside, as far as it can be read.
/// `file_name` is what people should see as its name.
#[must_use]
pub fn read(file_name: &str, text: &str, read: ReadFile<'_>, matrix: &GivenMatrix) -> Loaded {
    let (mut sources, mut diagnostics) = Sources::parse(file_name, text);
    let mut definition = None;
    if diagnostics.is_empty() {
        let given = given::add(&mut sources, matrix, &mut diagnostics);
        files::gather(&mut sources, read, &mut diagnostics);
        definition = decode(&sources, given, &mut diagnostics);
    }
    diagnostics.extend(secrets::literal(&sources));
    if let Some(definition) = &mut definition {
        definition.broken = Broken::of(&diagnostics);
    }
    diagnostic::sort(&mut diagnostics, &sources);
    Loaded { definition, sources, diagnostics }
}

fn decode(sources: &Sources, given: GivenFile, diagnostics: &mut Vec<Diagnostic>) -> Option<Definition> {
    if sources.main().value().is_null() {
        let message = "the file is empty: it has to describe an image";
        let help = "begin with `name:` and `platforms:`";
        let place = Place::Bytes(FileId::default(), 0..0);
        diagnostics.push(Diagnostic::error("empty", message).at(place).help(help));
        return None;
    }
    let mut decoder = Decoder::new(sources);
    decoder.given = given;
    let places = diagnostics.iter().filter_map(|diagnostic| diagnostic.labels.first());
    decoder.broken = places.map(|label| label.place.file()).collect();
    decoder.unparsed = uses::unparsed(diagnostics);
    let definition = definition(&mut decoder);
    diagnostics.append(&mut decoder.diagnostics);
    diagnostics.append(&mut numbers::check(sources));
    if let Some(definition) = &definition {
        let name_both = |one| uses::name_both_files(one, definition);
        *diagnostics = diagnostics.drain(..).map(name_both).collect();
    }
    definition
}

fn definition(decoder: &mut Decoder<'_>) -> Option<Definition> {
    let source = decoder.sources.main();
    let root = Node { value: source.value(), route: Route::root() };
    let table = decoder.table(&root, &KEYS)?;
    let required_name = decoder.require(&table, "name", &KEYS).and_then(|node| decoder.literal(&node, name));
    if let Some(node) = table.get("ovenbird") {
        decoder.literal(&node, language);
    }
    let version = decoder.optional(&table, "version", Site::Strategy, scalar::version);
    let variables = table.get("variables").map(|node| variable::variables(decoder, &node)).unwrap_or_default();
    let decoded = strategy::strategy(decoder, table.get("strategy").as_ref());
    let platforms = decoder.require(&table, "platforms", &KEYS);
    let platforms = platforms.map(|node| platform::platforms(decoder, &node)).unwrap_or_default();
    let env = table.get("env").map(|node| step::env(decoder, &node, Site::JobEnv)).unwrap_or_default();
    let defaults = table.get("defaults").and_then(|node| step::defaults(decoder, &node));
    let defaults = defaults.unwrap_or_default();
    let steps = table.get("steps").map(|node| step::steps(decoder, &node)).unwrap_or_default();
    let files = uses::files(decoder, &steps);
    let outputs = table.get("outputs").map(|node| output::outputs(decoder, &node)).unwrap_or_default();
    // An empty key asks for what is always tested.
    let tests = table.find(testing::TESTS).map(|node| testing::tests(decoder, &node));
    strategy::check_platforms(decoder, source, &decoded, &platforms);
    let strategy = decoded.strategy;
    let name = required_name.unwrap_or_default();
    let broken = Broken::default();
    let mut definition = Definition {
        name,
        version,
        variables,
        strategy,
        platforms,
        env,
        defaults,
        steps,
        files,
        outputs,
        tests,
        broken,
    };
    let has_end = uses::check(decoder, &definition);
    check::check(decoder, &definition);
    if !has_end {
        // Whoever goes through the steps after this would not come back.
        definition.files.iter_mut().for_each(|file| file.steps.clear());
    }
    Some(definition)
}

/// The name of an image or of a platform: it becomes part of file names, host names and tags.
pub(super) fn name(value: &Value) -> Result<String, Problem> {
    let name = scalar::line(value)?;
    let good = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-';
    if let Some(problem) = scalar::other_expression(&name) {
        return Err(problem);
    }
    if !name.chars().all(good) || name.starts_with('-') || name.ends_with('-') {
        let rule = "a name has lowercase letters, digits and `-` only, and no `-` at its ends";
        let near: String = name.to_lowercase().chars().map(|char| if good(char) { char } else { '-' }).collect();
        return Err(Problem::new(format!("`{name}` is no name")).help(match near.trim_matches('-') {
            "" => rule.to_owned(),
            near => format!("did you mean `{near}`? {rule}"),
        }));
    }
    // The longest label of a host name.
    if name.len() > 63 {
        return Err(Problem::new(format!("`{name}` is too long")).help("a name has at most 63 characters"));
    }
    Ok(name)
}

/// `ovenbird: ">=0.1"`: the versions that understand the file.
fn language(value: &Value) -> Result<(), Problem> {
    let example = "write it in quotes, as in `ovenbird: \">=0.1\"`";
    let Value::String(text) = value else {
        return Err(
            Problem::new(format!("expected a range of versions, found {}", scalar::describe(value))).help(example)
        );
    };
    let ours = env!("CARGO_PKG_VERSION");
    for range in text.split(',').map(str::trim) {
        let digits = range.trim_start_matches(['<', '>', '=']);
        let operator = range.strip_suffix(digits).unwrap_or_default();
        let Some(wanted) = numbers(digits.trim()) else {
            return Err(Problem::new(format!("`{range}` is no range of versions")).help(example));
        };
        let order = numbers(ours).unwrap_or_default().cmp(&wanted);
        let fits = match operator {
            ">=" => order.is_ge(),
            ">" => order.is_gt(),
            "<=" => order.is_le(),
            "<" => order.is_lt(),
            "=" | "==" | "" => order.is_eq(),
            _ => return Err(Problem::new(format!("`{range}` is no range of versions")).help(example)),
        };
        if !fits {
            return Err(Problem::new(format!("this is Ovenbird {ours}, and the definition asks for `{text}`"))
                .help("install a version that fits, or change the range if the definition needs no more"));
        }
    }
    Ok(())
}

/// Up to three numbers; those that are not there are zero.
fn numbers(text: &str) -> Option<[u32; 3]> {
    let mut numbers = [0; 3];
    let mut parts = text.split('.');
    for (number, part) in numbers.iter_mut().zip(parts.by_ref()) {
        *number = part.parse().ok()?;
    }
    parts.next().is_none().then_some(numbers)
}
