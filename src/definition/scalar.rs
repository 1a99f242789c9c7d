//! Typed values as people write them: sizes, times, names. The same functions read the file and an expression's result.

use std::fmt::Display;

use chrono::NaiveDate;

use super::model::Problem;
use crate::event::Level;
use crate::expression::Value;
use crate::plan::job::{Accelerator, Arch, Checksum, Compression, DiskFormat, Firmware, Kernel, Output, Shell};
use crate::smoke::checks::Check;

const MIB: u64 = 1024 * 1024;
/// Less does not boot any Linux that has an SSH server.
const LEAST_MEMORY: u64 = 64 * MIB;
/// More is a slip of the unit.
const MOST_MEMORY: u64 = 4 * 1024 * 1024 * MIB;
/// More is a slip of the unit; QEMU's formats end far beyond.
const LARGEST_DISK: u64 = 64 * 1024 * 1024 * MIB;
/// What QEMU's `pc` and `q35` machines take.
pub(super) const MOST_CPUS: u32 = 255;
/// More is a slip: no machine runs so many builds at once.
pub(super) const MOST_JOBS: u32 = 1024;
/// A week: longer than any runner lives.
pub(super) const LONGEST_MINUTES: f64 = 7.0 * 24.0 * 60.0;
const LONGEST_DELAY: u64 = 60 * 60;
pub(super) const MOST_ATTEMPTS: u32 = 100;

/// Words of the language and what they mean. The schema lists them too.
pub(super) const BUILDERS: &[&str] = &["qemu"];
pub(super) const ARCHITECTURES: &[(&str, Arch)] = &[("amd64", Arch::Amd64)];
pub(super) const FIRMWARES: &[(&str, Firmware)] = &[("bios", Firmware::Bios), ("uefi", Firmware::Uefi)];
pub(super) const ACCELERATORS: &[(&str, Accelerator)] =
    &[("auto", Accelerator::Auto), ("kvm", Accelerator::Kvm), ("tcg", Accelerator::Tcg)];
pub(super) const KERNELS: &[(&str, Kernel)] = &[("generic", Kernel::Generic), ("cloud", Kernel::Cloud)];
pub(super) const COMPRESSIONS: &[(&str, Compression)] =
    &[("zstd", Compression::Zstd), ("gzip", Compression::Gzip), ("xz", Compression::Xz)];
pub(super) const DISK_FORMATS: [DiskFormat; 6] =
    [DiskFormat::Qcow2, DiskFormat::Raw, DiskFormat::Vmdk, DiskFormat::Vdi, DiskFormat::Vhd, DiskFormat::Vhdx];
pub(super) const LEVELS: &[(&str, Level)] = &[("standard", Level::Standard), ("full", Level::Full)];
/// Shells that need no command line.
pub(super) const SHELLS: &[(&str, Shell)] = &[("bash", Shell::Bash), ("sh", Shell::Sh), ("python", Shell::Python)];

type Read<T> = Result<T, Problem>;

impl Problem {
    pub(super) fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), help: None }
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    fn in_one(self) -> String {
        let help = self.help.map(|help| format!(": {help}")).unwrap_or_default();
        format!("{}{help}", self.message)
    }

    fn expected(what: impl Display, value: &Value) -> Self {
        Self::new(format!("expected {what}, found {}", describe(value)))
    }
}

/// A value as an error names it.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(value) => format!("`{value}`"),
        Value::Number(_) => format!("the number `{value}`"),
        Value::String(text) if text.is_empty() => "an empty text".to_owned(),
        Value::String(text) => format!("`{}`", text.lines().next().unwrap_or_default()),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

/// A text; numbers and booleans are taken as they are written.
pub(super) fn text(value: &Value) -> Read<String> {
    match value {
        Value::String(text) if text.is_empty() => Err(Problem::expected("a text", value)),
        Value::String(text) if text.contains('\0') => Err(Problem::new("a NUL character has no place in a definition")),
        Value::String(_) | Value::Number(_) | Value::Bool(_) => Ok(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => Err(Problem::expected("a text", value)),
    }
}

/// A text of one line.
pub(super) fn line(value: &Value) -> Read<String> {
    let text = text(value)?;
    if text.trim_end().contains(['\n', '\r']) {
        return Err(Problem::new("expected a text of one line, found several lines"));
    }
    Ok(text.trim().to_owned())
}

/// The longest version of an image: with its name and a suffix it still fits what clouds and registries take as a tag.
const LONGEST_VERSION: usize = 64;

/// The version of an image, which goes into file names and tags.
pub(super) fn version(value: &Value) -> Read<String> {
    if let Value::Number(_) = value {
        let problem = Problem::new(format!("expected the version as a text, found the number {value}"));
        return Err(problem.help("put it in quotes: YAML reads 1.10 as the number 1.1"));
    }
    let text = line(value)?;
    if text.chars().count() > LONGEST_VERSION {
        return Err(Problem::new(format!("the version `{text}` is too long"))
            .help(format!("a version has at most {LONGEST_VERSION} characters")));
    }
    if !text.chars().all(is_in_version) || !text.starts_with(|char: char| char.is_ascii_alphanumeric()) {
        return Err(Problem::new(format!("`{text}` can't be a version"))
            .help("a version has letters, digits, `.`, `_`, `+` and `-` only, and begins with a letter or digit"));
    }
    Ok(text)
}

fn is_in_version(char: char) -> bool {
    char.is_ascii_alphanumeric() || "._+-".contains(char)
}

/// A tag or a commit as a version: with a `-` for every character that a version can't have, and cut where it is too long
/// with `suffix`. None: nothing is left.
pub(crate) fn as_version(text: &str, suffix: &str) -> Option<String> {
    let longest = LONGEST_VERSION.saturating_sub(suffix.len());
    let safe = text.chars().map(|char| if is_in_version(char) { char } else { '-' });
    let version: String = safe.skip_while(|char| !char.is_ascii_alphanumeric()).take(longest).collect();
    (!version.is_empty()).then(|| version + suffix)
}

pub(super) fn boolean(value: &Value) -> Read<bool> {
    match value {
        Value::Bool(value) => Ok(*value),
        Value::String(text) if text == "true" => Ok(true),
        Value::String(text) if text == "false" => Ok(false),
        _ => {
            let problem = Problem::expected("`true` or `false`", value);
            let word = if let Value::String(text) = value { text.to_lowercase() } else { value.to_string() };
            Err(match word.as_str() {
                "true" | "yes" | "on" | "y" | "1" => problem.help("did you mean `true`?"),
                "false" | "no" | "off" | "n" | "0" => problem.help("did you mean `false`?"),
                _ => problem,
            })
        }
    }
}

/// A whole number in a range.
fn whole(value: &Value, what: &str, least: u32, most: u32) -> Read<u32> {
    let number = match value {
        Value::Number(number) => Some(*number),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let whole = number.filter(|number| number.fract() == 0.0 && number.abs() < 1e9);
    let Some(number) = whole else { return Err(Problem::expected(format!("{what}, a whole number"), value)) };
    if number < f64::from(least) || number > f64::from(most) {
        return Err(Problem::new(format!("{what} must be from {least} to {most}, not {number}")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked above")]
    Ok(number as u32)
}

pub(super) fn cpus(value: &Value) -> Read<u32> {
    whole(value, "a number of CPUs", 1, MOST_CPUS)
}

pub(super) fn max_parallel(value: &Value) -> Read<u32> {
    whole(value, "a number of jobs", 1, MOST_JOBS)
}

pub(super) fn attempts(value: &Value) -> Read<u32> {
    whole(value, "a number of attempts", 1, MOST_ATTEMPTS)
}

/// Bytes, from a number with a unit.
fn size(value: &Value) -> Read<u64> {
    let example = "write a number and its unit, such as `512MiB` or `4GiB`";
    let text = match value {
        Value::String(text) => text.trim(),
        Value::Number(number) => {
            return Err(Problem::new(format!("the size `{number}` has no unit")).help(example));
        }
        _ => return Err(Problem::expected("a size", value).help(example)),
    };
    if let Some(problem) = other_expression(text).or_else(|| fraction(text)) {
        return Err(problem);
    }
    let digits = text.len() - text.trim_start_matches(|char: char| char.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    let Ok(number) = number.parse::<u64>() else {
        return Err(Problem::expected("a size", value).help(example));
    };
    let factor = match unit.trim_start() {
        "MiB" => MIB,
        "GiB" => 1024 * MIB,
        "TiB" => 1024 * 1024 * MIB,
        "" => return Err(Problem::new(format!("the size `{text}` has no unit")).help(example)),
        unit => {
            let problem = Problem::new(format!("`{unit}` is no unit of size"));
            let letter = unit.chars().next().map(|char| char.to_ascii_uppercase());
            return Err(match letter.filter(|letter| "MGT".contains(*letter) && unit.len() <= 3) {
                Some(letter) => problem.help(format!("did you mean `{number}{letter}iB`?")),
                None => problem.help("the units are `MiB`, `GiB` and `TiB`"),
            });
        }
    };
    number.checked_mul(factor).ok_or_else(|| Problem::new(format!("`{text}` is more than any disk holds")))
}

/// A size as it is written on a command line.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    size(&Value::String(text.to_owned())).map_err(Problem::in_one)
}

/// The memory of a machine, as it is written on a command line.
pub(crate) fn parse_memory(text: &str) -> Result<u64, String> {
    memory(&Value::String(text.to_owned())).map_err(Problem::in_one)
}

/// Refuses `1.5GiB`, and says it in the next smaller unit.
fn fraction(text: &str) -> Option<Problem> {
    let unit = text.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.');
    let number = text.strip_suffix(unit).filter(|number| number.contains('.'))?.parse::<f64>().ok()?;
    let problem = Problem::new(format!("the size `{text}` is not a whole number"));
    let smaller = [("GiB", "MiB"), ("TiB", "GiB")].into_iter().find(|(larger, _)| *larger == unit.trim());
    Some(match smaller {
        Some((_, smaller)) => problem.help(format!("write `{}{smaller}`", (number * 1024.0).round())),
        None => problem.help("write a whole number and its unit, such as `1536MiB`"),
    })
}

/// Refuses a text with another tool's expression in it, for which it would otherwise be told something beside the point.
pub(super) fn other_expression(text: &str) -> Option<Problem> {
    if !["{{", "${", "$("].iter().any(|sign| text.contains(sign)) {
        return None;
    }
    let problem = Problem::new(format!("`{text}` is no expression that Ovenbird knows"));
    Some(problem.help("an expression is written `${{ … }}`, and a variable in it `vars.NAME`"))
}

/// Bytes as people write them.
pub(crate) fn show_size(bytes: u64) -> String {
    let units = [(1024 * 1024 * MIB, "TiB"), (1024 * MIB, "GiB"), (MIB, "MiB")];
    match units.into_iter().find(|(factor, _)| bytes > 0 && bytes.is_multiple_of(*factor)) {
        Some((factor, unit)) => format!("{}{unit}", bytes / factor),
        None => format!("{bytes} bytes"),
    }
}

pub(super) fn memory(value: &Value) -> Read<u64> {
    let bytes = size(value)?;
    if bytes < LEAST_MEMORY {
        let message = format!("{} of memory is too little to boot a Linux guest", show_size(bytes));
        return Err(Problem::new(message).help(format!("give at least {}", show_size(LEAST_MEMORY))));
    }
    if bytes > MOST_MEMORY {
        return Err(Problem::new(format!("memory must be at most {}", show_size(MOST_MEMORY))));
    }
    Ok(bytes)
}

pub(super) fn disk_size(value: &Value) -> Read<u64> {
    let bytes = size(value)?;
    if bytes == 0 {
        return Err(Problem::new("a disk can't be empty"));
    }
    if bytes > LARGEST_DISK {
        return Err(Problem::new(format!("a disk must be at most {}", show_size(LARGEST_DISK))));
    }
    Ok(bytes)
}

/// Seconds, from a number of minutes as in a workflow.
pub(super) fn minutes(value: &Value) -> Read<u64> {
    let minutes = match value {
        Value::Number(number) => Some(*number),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    };
    let Some(minutes) = minutes else {
        return Err(Problem::expected("a number of minutes", value).help("write it without a unit, such as `10`"));
    };
    if !(minutes > 0.0 && minutes <= LONGEST_MINUTES) {
        return Err(Problem::new(format!("a timeout must be more than 0 and at most {LONGEST_MINUTES} minutes")));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range was checked above")]
    Ok((minutes * 60.0).ceil() as u64)
}

/// Seconds, from a number with a unit.
pub(super) fn delay(value: &Value) -> Read<u64> {
    let example = "write a number and its unit, such as `10s` or `5m`";
    let text = match value {
        Value::String(text) => text.trim(),
        Value::Number(number) => return Err(Problem::new(format!("the time `{number}` has no unit")).help(example)),
        _ => return Err(Problem::expected("a time", value).help(example)),
    };
    let factor = match text.chars().last() {
        Some('s') => 1,
        Some('m') => 60,
        Some('h') => 3600,
        _ => return Err(Problem::expected("a time", value).help(example)),
    };
    let number = text.get(..text.len() - 1).and_then(|number| number.parse::<u64>().ok());
    let seconds = number.and_then(|number| number.checked_mul(factor));
    match seconds {
        None => Err(Problem::expected("a time", value).help(example)),
        Some(seconds) if seconds > LONGEST_DELAY => Err(Problem::new("a delay must be at most `1h`")),
        Some(seconds) => Ok(seconds),
    }
}

/// One of a closed set of words.
fn word<T: Copy>(value: &Value, words: &[(&str, T)]) -> Read<T> {
    let written = match value {
        Value::String(text) => text.trim(),
        _ => "",
    };
    if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == written) {
        return Ok(*meaning);
    }
    let list: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    let problem = Problem::expected(format!("one of {}", list.join(", ")), value);
    Err(match crate::diagnostic::nearest(written, words.iter().map(|(word, _)| *word)) {
        Some(near) => problem.help(format!("did you mean `{near}`?")),
        None => problem,
    })
}

pub(super) fn arch(value: &Value) -> Read<Arch> {
    if matches!(value, Value::String(text) if text == "arm64") {
        return Err(Problem::new("this version of Ovenbird builds `amd64` only, `arm64` comes with a later one"));
    }
    let renamed = match value {
        Value::String(text) if text == "x86_64" || text == "x64" => Some("amd64"),
        _ => None,
    };
    let read = word(value, ARCHITECTURES);
    read.map_err(|problem| match renamed {
        Some(name) => problem.help(format!("it is called `{name}` here, as in Debian")),
        None => problem,
    })
}

pub(super) fn firmware(value: &Value) -> Read<Firmware> {
    word(value, FIRMWARES)
}

pub(super) fn accelerator(value: &Value) -> Read<Accelerator> {
    let read = word(value, ACCELERATORS);
    read.map_err(|problem| match value {
        Value::Bool(true) => problem.help("`kvm` needs KVM, `auto` takes it where it works"),
        Value::Bool(false) => problem.help("`tcg` emulates, without KVM"),
        _ => problem,
    })
}

pub(super) fn kernel(value: &Value) -> Read<Kernel> {
    word(value, KERNELS)
}

pub(super) fn compression(value: &Value) -> Read<Compression> {
    word(value, COMPRESSIONS)
}

pub(super) fn disk_format(value: &Value) -> Read<DiskFormat> {
    if matches!(value, Value::String(text) if text == "ova") {
        return Err(Problem::new("this version of Ovenbird does not have the format `ova` yet"));
    }
    word(value, &DISK_FORMATS.map(|format| (format.as_str(), format)))
}

/// A format by its name alone.
pub(super) fn output(value: &Value) -> Read<Output> {
    Ok(Output { format: disk_format(value)?, compress: None })
}

pub(super) fn level(value: &Value) -> Read<Level> {
    word(value, LEVELS)
}

/// A check, by the name that reports call it.
pub(super) fn check(value: &Value) -> Read<Check> {
    let name = line(value)?;
    let check = Check::named(&name).ok_or_else(|| {
        let problem = Problem::new(format!("there is no check `{name}`"));
        let names = Check::ALL.map(Check::as_str);
        let list = names.map(|name| format!("`{name}`")).join(", ");
        problem.help(match crate::diagnostic::nearest(&name, names) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the checks are {list}"),
        })
    })?;
    if !check.can_be_waived() {
        let problem = Problem::new(format!("the check `{name}` can't be waived"));
        return Err(problem
            .help("of an image that does not boot nothing else is known; leave `tests:` out to build it untested"));
    }
    Ok(check)
}

/// A day, as ISO 8601 writes it.
pub(super) fn date(value: &Value) -> Read<NaiveDate> {
    let text = line(value)?;
    let is_whole = text.len() == "2027-01-31".len();
    let date = NaiveDate::parse_from_str(&text, "%Y-%m-%d").ok().filter(|_| is_whole);
    date.ok_or_else(|| {
        Problem::new(format!("`{text}` is no date")).help("write the year, the month and the day, as in `2027-01-31`")
    })
}

pub(super) fn shell(value: &Value) -> Read<Shell> {
    let shell = line(value)?;
    match SHELLS.iter().find(|(name, _)| *name == shell) {
        Some((_, known)) => Ok(known.clone()),
        None if shell.contains("{0}") => Ok(Shell::Custom(shell)),
        None => Err(Problem::new(format!("`{shell}` is no shell that Ovenbird knows"))
            .help("use `bash`, `sh`, `python`, or a command line in which `{0}` stands for the script's file")),
    }
}

/// A Debian suite's code name.
pub(super) fn suite(value: &Value) -> Read<String> {
    let suite = line(value)?;
    if let Some(problem) = other_expression(&suite) {
        return Err(problem);
    }
    if suite.chars().next().is_some_and(|char| char.is_ascii_digit()) {
        return Err(Problem::new(format!("`{suite}` is no suite")).help("a suite has a code name, such as `bookworm`"));
    }
    if !suite.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || "-.".contains(char)) {
        return Err(Problem::new(format!("`{suite}` is no suite")).help("a code name such as `bookworm` is lowercase"));
    }
    Ok(suite)
}

/// A Debian package's name.
pub(super) fn package(value: &Value) -> Read<String> {
    let package = line(value)?;
    let good = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit() || "+-.:".contains(char);
    if package.len() < 2
        || !package.starts_with(|char: char| char.is_ascii_alphanumeric())
        || !package.chars().all(good)
    {
        let problem = Problem::new(format!("`{package}` is no name of a Debian package"));
        return Err(if package.contains([' ', ',']) { problem.help("write one package an item") } else { problem });
    }
    Ok(package)
}

/// Packages, from one expression.
pub(super) fn packages(value: &Value) -> Read<Vec<String>> {
    match value {
        Value::Array(items) => items.iter().map(package).collect(),
        _ => Err(Problem::expected("a list of packages", value)),
    }
}

/// An `http` or `https` URL.
pub(super) fn url(value: &Value) -> Read<String> {
    let url = line(value)?;
    if !is_url(&url) || url.contains(char::is_whitespace) {
        return Err(Problem::new(format!("`{url}` is no URL")).help("it begins with `http://` or `https://`"));
    }
    Ok(url)
}

pub(crate) fn is_url(text: &str) -> bool {
    ["http://", "https://"].iter().any(|scheme| text.len() > scheme.len() && text.starts_with(scheme))
}

/// A local path, or a URL.
pub(super) fn image(value: &Value) -> Read<String> {
    let image = line(value)?;
    if let Some((scheme, _)) = image.split_once("://")
        && !is_url(&image)
    {
        return Err(Problem::new(format!("an image can't be fetched by `{scheme}:`"))
            .help("use an `http://` or `https://` URL, or a local path"));
    }
    Ok(image)
}

/// Sources of apt in the deb822 form.
pub(super) fn apt_sources(value: &Value) -> Read<String> {
    let text = text(value)?;
    for field in ["Types:", "URIs:", "Suites:"] {
        if !text.lines().any(|line| line.starts_with(field)) {
            return Err(Problem::new(format!("`apt-sources` has no `{field}` line")).help(
                "write it as `/etc/apt/sources.list.d/debian.sources` has it, with `Types:`, `URIs:` and `Suites:`",
            ));
        }
    }
    Ok(text)
}

pub(super) fn checksum(value: &Value) -> Read<Checksum> {
    let text = line(value)?;
    let forms = "write `sha256:` or `sha512:` and the digest, or `file:` and the path or URL of a `SHA256SUMS` file";
    let Some((kind, rest)) = text.split_once(':') else {
        let problem = Problem::new(format!("`{text}` does not say what kind of checksum it is"));
        return Err(match digest_kind(text.trim_start_matches("sha256=").trim_start_matches("sha512=")) {
            Some((kind, digest)) => problem.help(format!("did you mean `{kind}:{digest}`?")),
            None => problem.help(forms),
        });
    };
    let digits = match kind {
        "sha256" => 64,
        "sha512" => 128,
        "file" if rest.is_empty() => return Err(Problem::new("`file:` names no file").help(forms)),
        "file" => return Ok(Checksum::File(rest.to_owned())),
        "http" | "https" => {
            let problem = Problem::new(format!("`{text}` does not say what kind of checksum it is"));
            return Err(problem.help(format!("did you mean `file:{text}`?")));
        }
        _ => return Err(Problem::new(format!("`{kind}` is no kind of checksum that Ovenbird knows")).help(forms)),
    };
    if rest.len() != digits || !rest.chars().all(|char| char.is_ascii_hexdigit()) {
        let length = rest.chars().count();
        let problem =
            Problem::new(format!("a {kind} digest has {digits} hexadecimal digits, this one has {length} characters"));
        return Err(match digest_kind(rest) {
            Some((other, _)) if other != kind => {
                problem.help(format!("that is the length of a {other} digest: did you mean `{other}:`?"))
            }
            _ => problem.help("copy the whole digest from the `SHA256SUMS` or `SHA512SUMS` file beside the image"),
        });
    }
    let digest = rest.to_ascii_lowercase();
    Ok(if kind == "sha256" { Checksum::Sha256(digest) } else { Checksum::Sha512(digest) })
}

/// The kind of a digest by its length.
fn digest_kind(text: &str) -> Option<(&'static str, &str)> {
    let kind = match text.len() {
        64 => "sha256",
        128 => "sha512",
        _ => return None,
    };
    text.chars().all(|char| char.is_ascii_hexdigit()).then_some((kind, text))
}

/// A login name.
pub(super) fn user(value: &Value) -> Read<String> {
    let user = line(value)?;
    if !is_user(&user) {
        return Err(Problem::new(format!("`{user}` is no user name")));
    }
    Ok(user)
}

/// Whether it can be a user's name, of which nothing is an option or a path.
pub(crate) fn is_user(name: &str) -> bool {
    let first = |char: char| char.is_ascii_alphabetic() || char == '_';
    name.starts_with(first) && name.chars().all(|char| char.is_ascii_alphanumeric() || "_-.".contains(char))
}

/// `user`, `user:group` or `:group`, by name or number.
pub(super) fn owner(value: &Value) -> Read<String> {
    let owner = line(value)?;
    let name = |name: &str| is_user(name) || (!name.is_empty() && name.chars().all(|char| char.is_ascii_digit()));
    let good = match owner.split_once(':') {
        None => name(&owner),
        Some((user, group)) => (user.is_empty() || name(user)) && name(group),
    };
    if !good {
        return Err(Problem::new(format!("`{owner}` is no owner")).help("write `user`, `user:group` or `:group`"));
    }
    Ok(owner)
}

/// Permission bits.
pub(super) fn mode(value: &Value) -> Read<u32> {
    let example = "write it as an octal number in quotes, such as `\"0644\"`";
    match value {
        Value::String(text) if (3..=4).contains(&text.len()) => {
            u32::from_str_radix(text, 8).map_err(|_| Problem::new(format!("`{text}` is no mode")).help(example))
        }
        // YAML would read `0o644` as 420 and `644` as six hundred and forty-four: neither says what was meant.
        _ => Err(Problem::expected("a mode", value).help(example)),
    }
}

/// An absolute path in the guest.
pub(super) fn guest_path(value: &Value) -> Read<String> {
    let path = line(value)?;
    if path.starts_with('~') {
        let problem = Problem::new(format!("`{path}` begins with `~`, which only a shell knows"));
        return Err(problem.help("write the home folder itself, such as `/root` or `/home/NAME`"));
    }
    if !path.starts_with('/') {
        return Err(Problem::new(format!("`{path}` is not an absolute path"))
            .help(format!("paths in the guest begin at its root: `/{path}`")));
    }
    Ok(path)
}

/// A path inside the folder of the definition.
pub(super) fn local_path(value: &Value) -> Read<String> {
    let path = line(value)?;
    if is_url(&path) {
        let problem = Problem::new(format!("`{path}` is a URL, not a path of the repository"));
        return Err(problem.help("keep the file in the repository, or fetch it in the guest with a `run` step"));
    }
    if path.starts_with('/') {
        return Err(Problem::new(format!("`{path}` is an absolute path"))
            .help("paths on this machine are relative to the folder of the definition, and inside it"));
    }
    if path.split('/').any(|part| part == "..") {
        return Err(Problem::new(format!("`{path}` leads out of the folder of the definition"))
            .help("a definition uses files of its own repository only: others have no history there"));
    }
    if path.contains('\\') {
        return Err(Problem::new(format!("`{path}` has a backslash")).help("parts of a path are divided by `/`"));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_value(text: &str) -> Value {
        Value::String(text.to_owned())
    }

    /// What a person reads of a value that is refused.
    fn refused<T: std::fmt::Debug>(read: Read<T>) -> String {
        match read {
            Ok(value) => format!("accepted as {value:?}"),
            Err(Problem { message, help: None }) => message,
            Err(Problem { message, help: Some(help) }) => format!("{message} ({help})"),
        }
    }

    #[test]
    fn sizes_have_binary_units() {
        assert_eq!(size(&text_value("512MiB")), Ok(512 * MIB));
        assert_eq!(size(&text_value("4 GiB")), Ok(4096 * MIB));
        assert_eq!(show_size(4096 * MIB), "4GiB");
        assert_eq!(show_size(1536 * MIB), "1536MiB");
        assert_eq!(refused(size(&text_value("4GB"))), "`GB` is no unit of size (did you mean `4GiB`?)");
        assert_eq!(refused(size(&text_value("4k"))), "`k` is no unit of size (the units are `MiB`, `GiB` and `TiB`)");
        assert_eq!(
            refused(size(&Value::Number(4096.0))),
            "the size `4096` has no unit (write a number and its unit, such as `512MiB` or `4GiB`)"
        );
        assert_eq!(refused(size(&text_value("1.5GiB"))), "the size `1.5GiB` is not a whole number (write `1536MiB`)");
        assert_eq!(refused(size(&text_value("99999999999TiB"))), "`99999999999TiB` is more than any disk holds");
    }

    #[test]
    fn memory_that_boots_nothing_is_refused() {
        assert_eq!(
            refused(memory(&text_value("1MiB"))),
            "1MiB of memory is too little to boot a Linux guest (give at least 64MiB)"
        );
    }

    #[test]
    fn timeouts_are_minutes_and_delays_have_units() {
        assert_eq!(minutes(&Value::Number(0.5)), Ok(30));
        assert_eq!(minutes(&text_value("10")), Ok(600));
        assert_eq!(refused(minutes(&Value::Number(0.0))), "a timeout must be more than 0 and at most 10080 minutes");
        assert_eq!(
            refused(minutes(&Value::Number(f64::NAN))),
            "a timeout must be more than 0 and at most 10080 minutes"
        );
        assert_eq!(delay(&text_value("5m")), Ok(300));
        assert_eq!(
            refused(delay(&Value::Number(5.0))),
            "the time `5` has no unit (write a number and its unit, such as `10s` or `5m`)"
        );
        assert_eq!(refused(delay(&text_value("2h"))), "a delay must be at most `1h`");
    }

    #[test]
    fn a_word_of_a_closed_set_is_suggested() {
        assert_eq!(
            refused(firmware(&text_value("efi"))),
            "expected one of `bios`, `uefi`, found `efi` (did you mean `uefi`?)"
        );
        assert_eq!(
            refused(arch(&text_value("x86_64"))),
            "expected one of `amd64`, found `x86_64` (it is called `amd64` here, as in Debian)"
        );
    }

    #[test]
    fn modes_are_octal_text() {
        assert_eq!(mode(&text_value("0644")), Ok(0o644));
        assert_eq!(
            refused(mode(&Value::Number(644.0))),
            "expected a mode, found the number `644` (write it as an octal number in quotes, such as `\"0644\"`)"
        );
        assert!(mode(&text_value("0999")).is_err());
    }

    #[test]
    fn local_paths_stay_inside_the_folder_of_the_definition() {
        assert_eq!(local_path(&text_value("scripts/a.sh")), Ok("scripts/a.sh".to_owned()));
        for path in ["/etc/passwd", "../x", "a/../../x", "a\\b"] {
            assert!(local_path(&text_value(path)).is_err(), "{path}");
        }
    }

    #[test]
    fn owners_are_users_and_groups_by_name_or_number() {
        for owner_text in ["root", "www-data:www-data", ":adm", "0:0"] {
            assert_eq!(owner(&text_value(owner_text)).as_deref(), Ok(owner_text));
        }
        for owner_text in ["", ":", "a b", "root:", "-x"] {
            assert!(owner(&text_value(owner_text)).is_err(), "{owner_text}");
        }
    }

    #[test]
    fn checksums_name_their_kind() {
        let digest = "AB".repeat(32);
        assert_eq!(checksum(&text_value(&format!("sha256:{digest}"))), Ok(Checksum::Sha256("ab".repeat(32))));
        assert_eq!(checksum(&text_value("file:SHA256SUMS")), Ok(Checksum::File("SHA256SUMS".to_owned())));
        assert_eq!(
            refused(checksum(&text_value("sha256:abc"))),
            "a sha256 digest has 64 hexadecimal digits, this one has 3 characters (copy the whole digest from the \
             `SHA256SUMS` or `SHA512SUMS` file beside the image)"
        );
        assert_eq!(
            refused(checksum(&text_value(&digest))),
            format!("`{digest}` does not say what kind of checksum it is (did you mean `sha256:{digest}`?)")
        );
        assert_eq!(
            refused(checksum(&text_value(&format!("sha512:{digest}")))),
            "a sha512 digest has 128 hexadecimal digits, this one has 64 characters (that is the length of a sha256 \
             digest: did you mean `sha256:`?)"
        );
        assert!(checksum(&text_value("md5:abc")).is_err());
    }
}
