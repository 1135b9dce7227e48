//! Declaring the options of a module: one place for the key, the type, the default and the meaning.

use crate::secret::Secret;

/// One option, for `gridshell options`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OptionDescription {
    /// The key in the .ini file.
    pub key: &'static str,
    /// The type in an operator's words: `bool`, `int`, `float`, `string`, `secret`, `list`, or the name of a type of its own.
    pub type_name: &'static str,
    /// The default as one writes it, `none`, or `required`.
    pub default: &'static str,
    /// What it does: the doc comment, lines joined.
    pub meaning: &'static str,
}

/// Turns what stands after `=` in [`options!`](crate::options) into the type of the field: itself, or a literal where the field is text.
pub trait DefaultFor<T> {
    /// The default value.
    fn into_default(self) -> T;
}

impl<T> DefaultFor<T> for T {
    fn into_default(self) -> T {
        self
    }
}

impl DefaultFor<String> for &str {
    fn into_default(self) -> String {
        self.to_owned()
    }
}

impl DefaultFor<Secret> for &str {
    fn into_default(self) -> Secret {
        Secret::new(self)
    }
}

/// The type in an operator's words.
#[doc(hidden)]
pub const fn type_text(rust_name: &'static str) -> &'static str {
    match rust_name.as_bytes() {
        b"bool" | b"Option<bool>" => "bool",
        b"u8" | b"u16" | b"u32" | b"u64" | b"usize" | b"i8" | b"i16" | b"i32" | b"i64" => "int",
        b"Option<u8>" | b"Option<u16>" | b"Option<u32>" | b"Option<u64>" | b"Option<i32>" | b"Option<i64>" => "int",
        b"f32" | b"f64" | b"Option<f32>" | b"Option<f64>" => "float",
        b"String" | b"Option<String>" => "string",
        b"Secret" | b"Option<Secret>" => "secret",
        b"Vec<String>" => "list",
        b"ModuleName" | b"OptionalModule" => "module",
        _ => rust_name,
    }
}

/// The default in an operator's words.
#[doc(hidden)]
pub const fn default_text(rust_text: &'static str) -> &'static str {
    match rust_text.as_bytes() {
        b"None" | b"Vec::new()" | b"OptionalModule::default()" => "none",
        _ => rust_text,
    }
}

/// Declares an options struct: its fields, how they are read from a [`Reader`](crate::Reader), and their descriptions.
///
/// After the type stands `, required`, or `=` and the default, or nothing: then the default is the type's own (for an `Option` none).
/// A text or [`Secret`](crate::Secret) takes a literal as default.
///
/// It is a macro because nothing else can see doc comments.
///
/// ```
/// gridshell_config::options! {
///     /// Limits and addresses of the listeners.
///     pub struct NetworkOptions {
///         /// Port of the main listener.
///         "port" => pub port: u16, required;
///         /// Seconds within which a request must arrive whole.
///         "RequestTimeout" => pub request_timeout: u64 = 30;
///         /// User name that clients must give.
///         "HttpAuthUsername" => pub user: Option<String>;
///     }
/// }
///
/// let configuration = gridshell_config::Configuration::from_text("x.ini", "[Network]\nport = 8003\n").unwrap();
/// let mut reader = gridshell_config::Reader::new(&configuration, "Network");
/// let options = NetworkOptions::read(&mut reader).unwrap();
/// assert_eq!((options.port, options.request_timeout, options.user), (8003, 30, None));
/// assert_eq!(NetworkOptions::DESCRIPTIONS[0].meaning, "Port of the main listener.");
/// ```
#[macro_export]
macro_rules! options {
    (
        $(#[$attribute:meta])*
        pub struct $name:ident {
            $(
                $(#[doc = $meaning:literal])+
                $key:literal => pub $field:ident : $type:ty $(= $default:expr)? $(, $required:ident)? ;
            )*
        }
    ) => {
        $(#[$attribute])*
        #[derive(Clone, Debug)]
        pub struct $name {
            $( $(#[doc = $meaning])+ pub $field: $type, )*
        }

        impl $name {
            /// Every option, in order.
            pub const DESCRIPTIONS: &'static [$crate::OptionDescription] = &[
                $(
                    $crate::OptionDescription {
                        key: $key,
                        type_name: $crate::type_text(stringify!($type)),
                        default: $crate::options!(@default_text [$($default)?] [$($required)?]),
                        meaning: concat!($($meaning),+).trim_ascii(),
                    },
                )*
            ];

            /// Reads every option. None if one of them is wrong or missing; the reader has the problems.
            pub fn read(reader: &mut $crate::Reader<'_>) -> Option<Self> {
                let problems_before = reader.problems().len();
                $( let $field: Option<$type> = $crate::options!(@read reader $key, $type, [$($default)?] [$($required)?]); )*
                if reader.problems().len() > problems_before {
                    return None;
                }
                Some(Self { $( $field: $field?, )* })
            }
        }
    };
    (@default_text [] [required]) => { "required" };
    (@default_text [$default:expr] []) => { $crate::default_text(stringify!($default)) };
    (@default_text [] []) => { "none" };
    (@read $reader:ident $key:literal, $type:ty, [] [required]) => { $reader.required::<$type>($key) };
    (@read $reader:ident $key:literal, $type:ty, [$default:expr] []) => {
        $reader.value::<$type>($key).or_else(|| Some($crate::DefaultFor::<$type>::into_default($default)))
    };
    (@read $reader:ident $key:literal, $type:ty, [] []) => { Some($reader.value::<$type>($key).unwrap_or_default()) };
}

#[cfg(test)]
mod tests {
    use crate::{Configuration, OptionDescription, OptionalModule, Reader, Secret};

    crate::options! {
        /// Options of a made-up module.
        #[derive(PartialEq)]
        pub struct Options {
            /// Port of the main listener.
            /// Zero is none.
            "port" => pub port: u16, required;
            /// Time.
            "Timeout" => pub timeout: u64 = 30;
            /// Table name.
            "Realm" => pub realm: String = "regions";
            /// Password.
            "Pass" => pub pass: Secret = "";
            /// User.
            "User" => pub user: Option<String>;
            /// Limit.
            "Limit" => pub limit: Option<u32> = None;
            /// Names.
            "Names" => pub names: Vec<String>;
            /// Other service.
            "Other" => pub other: OptionalModule;
        }
    }

    #[test]
    fn defaults() {
        let configuration = Configuration::from_text("a.ini", "[A]\nport = 5\n").unwrap();
        let options = Options::read(&mut Reader::new(&configuration, "A")).unwrap();
        let expected = Options {
            port: 5,
            timeout: 30,
            realm: "regions".to_owned(),
            pass: Secret::default(),
            user: None,
            limit: None,
            names: vec![],
            other: OptionalModule(None),
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn values() {
        let text =
            "[A]\nport = 5\nTimeout = 7\nRealm = \"\"\nPass = hunter2\nUser = \"\"\nLimit = 8\nNames = a,b\nOther = x.dll:Y\n";
        let configuration = Configuration::from_text("a.ini", text).unwrap();
        let options = Options::read(&mut Reader::new(&configuration, "A")).unwrap();
        let expected = Options {
            port: 5,
            timeout: 7,
            realm: String::new(),
            pass: Secret::new("hunter2"),
            user: Some(String::new()),
            limit: Some(8),
            names: vec!["a".to_owned(), "b".to_owned()],
            other: OptionalModule(Some("x.dll:Y".parse().unwrap())),
        };
        assert_eq!(options, expected);
        assert!(!format!("{options:?}").contains("hunter2"));
        assert_eq!(configuration.unread(), []);
    }

    #[test]
    fn all_mistakes_at_once() {
        let configuration = Configuration::from_text("a.ini", "[A]\nTimeout = x\nLimit = \"\"\n").unwrap();
        let mut reader = Reader::new(&configuration, "A");
        assert!(Options::read(&mut reader).is_none());
        let shown: Vec<_> = reader.problems().iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "a.ini:1: A/port: is required and missing",
                "a.ini:2: A/Timeout: \"x\" is not a whole number from 0 to 18446744073709551615",
                "a.ini:3: A/Limit: \"\" is not a whole number from 0 to 4294967295",
            ]
        );
    }

    #[test]
    fn descriptions() {
        let of = |key| *Options::DESCRIPTIONS.iter().find(|description| description.key == key).unwrap();
        let description = |key, type_name, default, meaning| OptionDescription { key, type_name, default, meaning };
        assert_eq!(of("port"), description("port", "int", "required", "Port of the main listener. Zero is none."));
        assert_eq!(of("Timeout"), description("Timeout", "int", "30", "Time."));
        assert_eq!(of("Realm"), description("Realm", "string", "\"regions\"", "Table name."));
        assert_eq!(of("Pass"), description("Pass", "secret", "\"\"", "Password."));
        assert_eq!(of("Limit"), description("Limit", "int", "none", "Limit."));
        assert_eq!(of("Names"), description("Names", "list", "none", "Names."));
        assert_eq!(of("Other"), description("Other", "module", "none", "Other service."));
        assert_eq!(Options::DESCRIPTIONS.len(), 8);
    }
}
