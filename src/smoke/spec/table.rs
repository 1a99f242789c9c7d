//! The attributes of each type of resource (goss `docs/gossfile.md`, and the structs of `resource/*.go`).

use super::Kind;

/// A type of resource.
pub(super) struct Type {
    pub(super) key: &'static str,
    pub(super) type_name: &'static str,
    /// The attribute that names another object than the key.
    pub(super) name: Option<&'static str>,
    pub(super) gate: bool,
    /// In the order of results.
    pub(super) assertions: &'static [Asserted],
    pub(super) settings: &'static [(&'static str, Setting)],
}

/// An attribute that is compared.
pub(super) struct Asserted {
    pub(super) key: &'static str,
    /// Another name of the same.
    pub(super) alias: Option<&'static str>,
    /// As results name it.
    pub(super) property: &'static str,
    pub(super) is: Is,
}

/// What is special about an attribute.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    /// Tested even when it is not written: goss then fails it.
    Required,
    /// Required, and a number that may be written as a text.
    RequiredNumber,
    Plain,
    /// A number that may be written as a text.
    Number,
    /// A stream of lines, of which a list means patterns.
    Reader,
    /// A text of digits, which YAML takes for a number without quotes.
    Digits,
}

/// What a setting may be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    Text,
    Whole,
    Switch,
    Texts,
    /// A number of milliseconds, or a Go duration.
    Delay,
    Any,
}

const fn plain(key: &'static str) -> Asserted {
    Asserted { key, alias: None, property: key, is: Is::Plain }
}

const fn required(key: &'static str) -> Asserted {
    Asserted { is: Is::Required, ..plain(key) }
}

const fn number(key: &'static str) -> Asserted {
    Asserted { is: Is::Number, ..plain(key) }
}

const fn reader(key: &'static str) -> Asserted {
    Asserted { is: Is::Reader, ..plain(key) }
}

const TIMEOUT: (&str, Setting) = ("timeout", Setting::Whole);
const RETRY: [(&str, Setting); 2] = [("retry_count", Setting::Whole), ("retry_delay", Setting::Delay)];

/// What each type knows besides its own.
pub(super) const COMMON: [&str; 3] = ["title", "meta", "skip"];

pub(super) fn of(kind: Kind) -> &'static Type {
    match kind {
        Kind::Addr => &ADDR,
        Kind::Command => &COMMAND,
        Kind::Dns => &DNS,
        Kind::File => &FILE,
        Kind::Group => &GROUP,
        Kind::Http => &HTTP,
        Kind::Interface => &INTERFACE,
        Kind::KernelParam => &KERNEL_PARAM,
        Kind::Matching => &MATCHING,
        Kind::Mount => &MOUNT,
        Kind::Package => &PACKAGE,
        Kind::Port => &PORT,
        Kind::Process => &PROCESS,
        Kind::Service => &SERVICE,
        Kind::User => &USER,
    }
}

static ADDR: Type = Type {
    key: "addr",
    type_name: "Addr",
    name: Some("address"),
    gate: false,
    assertions: &[required("reachable")],
    settings: &[TIMEOUT, ("local-address", Setting::Text)],
};

static COMMAND: Type = Type {
    key: "command",
    type_name: "Command",
    name: Some("exec"),
    gate: false,
    assertions: &[Asserted { is: Is::RequiredNumber, ..plain("exit-status") }, reader("stdout"), reader("stderr")],
    settings: &[TIMEOUT, RETRY[0], RETRY[1]],
};

static DNS: Type = Type {
    key: "dns",
    type_name: "DNS",
    name: Some("resolve"),
    gate: true,
    assertions: &[Asserted { alias: Some("resolveable"), ..required("resolvable") }, plain("addrs")],
    settings: &[TIMEOUT, ("server", Setting::Text), RETRY[0], RETRY[1]],
};

static FILE: Type = Type {
    key: "file",
    type_name: "File",
    name: Some("path"),
    gate: true,
    assertions: &[
        required("exists"),
        Asserted { is: Is::Digits, ..plain("mode") },
        plain("owner"),
        plain("uid"),
        plain("group"),
        plain("gid"),
        Asserted { property: "linkedto", ..plain("linked-to") },
        plain("filetype"),
        reader("contains"),
        reader("contents"),
        plain("size"),
        plain("md5"),
        plain("sha256"),
        plain("sha512"),
    ],
    settings: &[],
};

static GROUP: Type = Type {
    key: "group",
    type_name: "Group",
    name: Some("groupname"),
    gate: true,
    assertions: &[required("exists"), number("gid")],
    settings: &[],
};

static HTTP: Type = Type {
    key: "http",
    type_name: "HTTP",
    name: Some("url"),
    gate: true,
    assertions: &[
        required("status"),
        Asserted { property: "Headers", ..reader("headers") },
        Asserted { property: "Body", ..reader("body") },
    ],
    settings: &[
        ("method", Setting::Text),
        ("allow-insecure", Setting::Switch),
        ("no-follow-redirects", Setting::Switch),
        TIMEOUT,
        ("request-headers", Setting::Texts),
        ("request-body", Setting::Text),
        ("username", Setting::Text),
        ("password", Setting::Text),
        ("ca-file", Setting::Text),
        ("cert-file", Setting::Text),
        ("key-file", Setting::Text),
        ("proxy", Setting::Text),
    ],
};

static INTERFACE: Type = Type {
    key: "interface",
    type_name: "Interface",
    name: Some("name"),
    gate: true,
    assertions: &[required("exists"), plain("addrs"), plain("mtu")],
    settings: &[],
};

static KERNEL_PARAM: Type = Type {
    key: "kernel-param",
    type_name: "KernelParam",
    name: Some("name"),
    gate: false,
    assertions: &[required("value")],
    settings: &[],
};

static MATCHING: Type = Type {
    key: "matching",
    type_name: "Matching",
    name: None,
    gate: false,
    assertions: &[required("matches")],
    settings: &[("content", Setting::Any), ("as-reader", Setting::Switch)],
};

static MOUNT: Type = Type {
    key: "mount",
    type_name: "Mount",
    name: Some("mountpoint"),
    gate: true,
    assertions: &[
        required("exists"),
        plain("opts"),
        plain("vfs-opts"),
        plain("source"),
        plain("filesystem"),
        plain("usage"),
    ],
    settings: &[TIMEOUT],
};

static PACKAGE: Type = Type {
    key: "package",
    type_name: "Package",
    name: Some("name"),
    gate: true,
    assertions: &[required("installed"), Asserted { property: "version", ..plain("versions") }],
    settings: &RETRY,
};

static PORT: Type = Type {
    key: "port",
    type_name: "Port",
    name: Some("port"),
    gate: true,
    assertions: &[required("listening"), plain("ip")],
    settings: &[],
};

static PROCESS: Type = Type {
    key: "process",
    type_name: "Process",
    name: Some("comm"),
    gate: false,
    assertions: &[required("running")],
    settings: &[],
};

static SERVICE: Type = Type {
    key: "service",
    type_name: "Service",
    name: Some("name"),
    gate: false,
    assertions: &[plain("enabled"), plain("running"), plain("runlevels")],
    settings: &[],
};

static USER: Type = Type {
    key: "user",
    type_name: "User",
    name: Some("username"),
    gate: true,
    assertions: &[required("exists"), number("uid"), number("gid"), plain("home"), plain("groups"), plain("shell")],
    settings: &[],
};

impl Type {
    /// All keys of a resource of this type.
    pub(super) fn keys(&self) -> impl Iterator<Item = &'static str> {
        let assertions = self.assertions.iter().flat_map(|one| [Some(one.key), one.alias]).flatten();
        assertions.chain(self.settings.iter().map(|(key, _)| *key)).chain(self.name).chain(COMMON)
    }
}
