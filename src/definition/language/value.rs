//! What the values of the language can be, as schemas: words, sizes, times, names, paths.
//!
//! A schema says of a value what an editor can tell while it is typed; `scalar` reads the value itself and knows better.
//! Both take the closed sets of words and the bounds of numbers from `scalar`. Where people write a text, a schema asks
//! for a text, though the decoder takes a number or a boolean there too: YAML makes 3.1 of `3.10`, so quotes are better.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde_json::{Value, json};

use crate::definition::scalar;
use crate::smoke::checks::Check;
use crate::smoke::spec::Kind;

/// In a text: there is a `${{ }}` in it, so that what it will be is not known yet.
const EXPRESSION: &str = r"\$\{\{";

/// A type of values, with its schema written where it is used: `value!(/// Doc. Name, schema)`.
macro_rules! value {
    ($(#[$doc:meta])* $name:ident, $schema:expr) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(in crate::definition) struct $name;

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

/// One of a closed set of words.
fn words<'a>(words: impl Iterator<Item = &'a str>) -> Schema {
    json_schema!({ "type": "string", "enum": words.collect::<Vec<_>>() })
}

/// The names of a table of words.
fn names<T>(table: &'static [(&'static str, T)]) -> impl Iterator<Item = &'static str> {
    table.iter().map(|(name, _)| *name)
}

/// A value of another kind, or a text with an expression in it.
fn or_expression(schema: &Schema) -> Schema {
    json_schema!({ "anyOf": [schema, { "type": "string", "pattern": EXPRESSION }] })
}

/// A text of a shape.
fn shaped(pattern: &str) -> Schema {
    json_schema!({ "type": "string", "pattern": pattern })
}

/// A text of a shape, or with an expression in it.
fn shaped_or_expression(pattern: &str) -> Schema {
    shaped(&format!("{pattern}|{EXPRESSION}"))
}

/// A whole number, in figures or from an expression.
fn whole(least: u32, most: u32) -> Schema {
    let pattern = format!("^[0-9]+$|{EXPRESSION}");
    json_schema!({ "type": ["integer", "string"], "minimum": least, "maximum": most, "pattern": pattern })
}

value!(
    /// The name of an image or of a platform.
    Name,
    shaped("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")
);
value!(
    /// What `vars.NAME`, `matrix.NAME` and `steps.ID` can name.
    Identifier,
    shaped("^[A-Za-z_][A-Za-z0-9_-]*$")
);
value!(
    /// The name of an environment variable.
    EnvironmentName,
    shaped("^[A-Za-z_][A-Za-z0-9_]*$")
);
value!(
    /// The version of an image.
    ImageVersion,
    shaped_or_expression("^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$")
);
value!(
    /// A file that `uses` names.
    StepFilePath,
    shaped(r"^\./(?!(.*/)?\.\.(/|$)).+\.ya?ml$")
);
value!(
    /// Versions of Ovenbird.
    Versions,
    shaped(r"^ *(>=?|<=?|==?)? *[0-9]+(\.[0-9]+){0,2} *(, *(>=?|<=?|==?)? *[0-9]+(\.[0-9]+){0,2} *)*$")
);
value!(
    /// What a variable can be.
    Scalar,
    json_schema!({ "type": ["string", "number", "boolean"] })
);
value!(
    /// A text of one line.
    Line,
    json_schema!({ "type": "string", "minLength": 1 })
);
value!(
    /// The text of a script.
    Script,
    shaped(r"\S")
);
value!(
    /// A value for a process: numbers and booleans become texts, nothing an empty one.
    Argument,
    json_schema!({ "type": ["string", "number", "boolean", "null"] })
);
value!(
    /// A condition, with or without `${{ }}`.
    Condition,
    json_schema!({ "type": ["string", "boolean", "number"], "minLength": 1 })
);
value!(
    /// `true` or `false`, or an expression.
    Boolean,
    json_schema!({ "type": ["boolean", "string"], "pattern": format!("^(true|false)$|{EXPRESSION}") })
);
value!(
    /// `true` or `false`.
    PlainBoolean,
    json_schema!({ "type": ["boolean", "string"], "pattern": "^(true|false)$" })
);
value!(Jobs, whole(1, scalar::MOST_JOBS));
value!(Cpus, whole(1, scalar::MOST_CPUS));
value!(Attempts, whole(1, scalar::MOST_ATTEMPTS));
value!(
    /// Minutes, as in a workflow.
    Minutes,
    json_schema!({
        "type": ["number", "string"],
        "exclusiveMinimum": 0,
        "maximum": scalar::LONGEST_MINUTES,
        "pattern": format!(r"^[0-9]+(\.[0-9]+)?$|{EXPRESSION}"),
    })
);
value!(
    /// A time with a unit.
    Delay,
    shaped_or_expression("^[0-9]+[smh]$")
);
value!(
    /// A number of bytes with a unit.
    Size,
    shaped_or_expression("^[0-9]+ *(MiB|GiB|TiB)$")
);
value!(Builder, words(scalar::BUILDERS.iter().copied()));
value!(Arch, or_expression(&words(names(scalar::ARCHITECTURES))));
value!(Firmware, or_expression(&words(names(scalar::FIRMWARES))));
value!(Accelerator, or_expression(&words(names(scalar::ACCELERATORS))));
value!(Kernel, or_expression(&words(names(scalar::KERNELS))));
value!(Compression, words(names(scalar::COMPRESSIONS)));
value!(DiskFormat, words(scalar::DISK_FORMATS.iter().map(|format| format.as_str())));
value!(
    /// An output without settings.
    DiskFormatOrExpression,
    or_expression(&words(scalar::DISK_FORMATS.iter().map(|format| format.as_str())))
);
value!(
    /// The one form that `vmdk` and `vhd` are written in.
    Subformat,
    words(["streamOptimized", "fixed"].into_iter())
);
value!(
    /// A shell by name, or a command line.
    Shell,
    json_schema!({ "anyOf": [
        words(names(scalar::SHELLS)),
        { "type": "string", "pattern": format!(r"\{{0\}}|{EXPRESSION}") },
    ] })
);
value!(
    /// A Debian suite's code name.
    Suite,
    shaped_or_expression("^[a-z.-][a-z0-9.-]*$")
);
value!(
    /// Debian packages, one an item, or all from one expression.
    Packages,
    {
        let package = shaped_or_expression("^[a-z0-9][a-z0-9+.:-]+$");
        json_schema!({ "anyOf": [
            { "type": "array", "items": package },
            { "type": "string", "pattern": EXPRESSION },
        ] })
    }
);
value!(
    /// An address of the web.
    Url,
    shaped_or_expression(r"^https?://\S+$")
);
value!(
    /// A local path, or an address of the web.
    PathOrUrl,
    shaped_or_expression("^(https?://.+|(?!.*://).+)$")
);
value!(Checksum, shaped_or_expression("^(sha256:[0-9A-Fa-f]{64}|sha512:[0-9A-Fa-f]{128}|file:.+)$"));
value!(
    /// Sources of apt in the deb822 form.
    AptSources,
    json_schema!({ "type": "string", "minLength": 1 })
);
value!(
    /// A login name.
    User,
    shaped_or_expression("^[A-Za-z_][A-Za-z0-9_.-]*$")
);
value!(
    /// `user`, `user:group` or `:group`, by name or number.
    Owner,
    {
        let name = "([A-Za-z_][A-Za-z0-9_.-]*|[0-9]+)";
        shaped_or_expression(&format!("^({name}|{name}?:{name})$"))
    }
);
value!(
    /// Permission bits.
    Mode,
    shaped_or_expression("^[0-7]{3,4}$")
);
value!(
    /// An absolute path in the guest.
    GuestPath,
    shaped_or_expression("^/")
);
value!(
    /// A path inside the folder of the definition.
    LocalPath,
    shaped_or_expression(r"^(?!/)(?!(.*/)?\.\.(/|$))[^\\]+$")
);
value!(
    /// A path inside the folder of the definition, or a list of them.
    LocalPaths,
    {
        let path = shaped_or_expression(r"^(?!/)(?!(.*/)?\.\.(/|$))[^\\]+$");
        json_schema!({ "anyOf": [path, { "type": "array", "items": path }] })
    }
);
value!(TestLevel, or_expression(&words(names(scalar::LEVELS))));
value!(
    /// The name of a check.
    CheckName,
    words(Check::ALL.into_iter().filter(|check| check.can_be_waived()).map(Check::as_str))
);
value!(
    /// A day.
    Date,
    shaped("^[0-9]{4}-[0-9]{2}-[0-9]{2}$")
);

/// Resources of a type, by their ids, with the attributes that goss knows. What those may be is goss's own.
fn resources(kind: Kind) -> Schema {
    let attributes: serde_json::Map<_, _> = kind.attributes().map(|key| (key.to_owned(), json!({}))).collect();
    let resource = json!({ "type": "object", "properties": attributes, "additionalProperties": false });
    json_schema!({ "type": "object", "additionalProperties": resource })
}

value!(Addr, resources(Kind::Addr));
value!(Command, resources(Kind::Command));
value!(Dns, resources(Kind::Dns));
value!(File, resources(Kind::File));
value!(Group, resources(Kind::Group));
value!(Http, resources(Kind::Http));
value!(Interface, resources(Kind::Interface));
value!(KernelParam, resources(Kind::KernelParam));
value!(Matching, resources(Kind::Matching));
value!(Mount, resources(Kind::Mount));
value!(Package, resources(Kind::Package));
value!(Port, resources(Kind::Port));
value!(Process, resources(Kind::Process));
value!(Service, resources(Kind::Service));
value!(GuestUser, resources(Kind::User));
value!(
    /// The keys and values whose combinations are the jobs.
    Matrix,
    {
        // Any part may be an expression that names no context, such as `${{ fromJSON('[1, 2]') }}`.
        let or_text = |mut schema: Value, kind: &str| {
            schema["type"] = json!([kind, "string"]);
            schema["pattern"] = EXPRESSION.into();
            schema
        };
        let platform = json!({ "description": "The platform's name.", "type": "string" });
        let combination =
            |properties: Value| or_text(json!({ "minProperties": 1, "properties": properties }), "object");
        let list = |description: &str, items: Value| {
            let mut list = or_text(json!({ "description": description, "items": items }), "array");
            list["type"] = json!(["array", "string", "null"]);
            list
        };
        let matrix = json!({
            "minProperties": 1,
            "properties": {
                "platform": or_text(
                    json!({ "description": "Names of platforms.", "items": platform, "minItems": 1 }),
                    "array",
                ),
                "include": list(
                    "Values to add to the combinations that they fit, without changing any; those that fit none are \
                     jobs of their own.",
                    combination(json!({ "platform": platform })),
                ),
                "exclude": list("Combinations, or parts of them, that are no jobs.", combination(json!({}))),
            },
            "propertyNames": { "pattern": "^[A-Za-z_][A-Za-z0-9_-]*$" },
            "additionalProperties": or_text(json!({ "minItems": 1 }), "array"),
        });
        or_text(matrix, "object").try_into().unwrap_or_default()
    }
);
