//! Module strings: `[argument@...]library[:class]` (shell.md section 6.4).

use std::fmt;
use std::str::FromStr;

use serde::Deserialize;
use serde::de::{self, Deserializer};

/// What a value such as `LocalServiceModule` names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ModuleName {
    /// The parts before the last `@`: arguments for the module, such as the section that it shall read.
    pub arguments: Vec<String>,
    /// An OpenSimulator library (`*.dll`), a plain name of our own, or the path of a plugin (`*.so`).
    pub library: String,
    /// The class in it, if one is named.
    pub class: Option<String>,
}

/// A module string that names no library.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("names no library; [argument@]library[:class] is meant")]
pub struct NoLibrary;

impl ModuleName {
    /// Whether it names this library and class, wherever the library lies: a leading `./` or directory does not matter, case does. A
    /// name without class is any class of its library.
    pub fn is(&self, library: &str, class: &str) -> bool {
        same_library(&self.library, library) && self.class.as_deref().is_none_or(|named| named == class)
    }
}

impl FromStr for ModuleName {
    type Err = NoLibrary;

    fn from_str(text: &str) -> Result<Self, NoLibrary> {
        let (arguments, module) = match text.rsplit_once('@') {
            Some((arguments, module)) => (arguments.split('@').map(str::to_owned).collect(), module),
            None => (Vec::new(), text),
        };
        let (library, class) = split_class(module);
        if library.trim().is_empty() {
            return Err(NoLibrary);
        }
        Ok(Self { arguments, library, class })
    }
}

impl fmt::Display for ModuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for argument in &self.arguments {
            write!(f, "{argument}@")?;
        }
        f.write_str(&self.library)?;
        match &self.class {
            Some(class) => write!(f, ":{class}"),
            // The drive would be taken for the library.
            None if self.library.contains(':') => f.write_str(":"),
            None => Ok(()),
        }
    }
}

impl<'de> Deserialize<'de> for ModuleName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// A module that may be left out: the empty value names none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionalModule(pub Option<ModuleName>);

impl<'de> Deserialize<'de> for OptionalModule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|name| Self(Some(name))).map_err(de::Error::custom) }
    }
}

/// Splits `library[:class]`. With three parts or more the first is a Windows drive, and parts beyond the class are ignored. An empty class
/// is none.
pub(crate) fn split_class(text: &str) -> (String, Option<String>) {
    let parts: Vec<&str> = text.split(':').collect();
    let (library, class) = match parts[..] {
        [_, "", ..] if parts.len() > 2 => (String::new(), ""),
        [drive, path, class, ..] => (format!("{drive}:{path}"), class),
        [library, class] => (library.to_owned(), class),
        _ => (text.to_owned(), ""),
    };
    (library, (!class.is_empty()).then(|| class.to_owned()))
}

/// Whether a library as named in a configuration is the known one, wherever it lies.
pub fn same_library(named: &str, known: &str) -> bool {
    named.rsplit(['/', '\\']).next() == Some(known)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(arguments: &[&str], library: &str, class: Option<&str>) -> ModuleName {
        ModuleName {
            arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
            library: library.to_owned(),
            class: class.map(str::to_owned),
        }
    }

    #[test]
    fn every_form() {
        let inventory = "OpenSim.Services.HypergridService.dll";
        let suitcase = "HGInventoryService@OpenSim.Services.HypergridService.dll:HGSuitcaseInventoryService";
        for (text, expected) in [
            ("OpenSim.Data.MySQL.dll", name(&[], "OpenSim.Data.MySQL.dll", None)),
            ("asset", name(&[], "asset", None)),
            (suitcase, name(&["HGInventoryService"], inventory, Some("HGSuitcaseInventoryService"))),
            ("a@b@x.dll:C", name(&["a", "b"], "x.dll", Some("C"))),
            ("C:\\x\\y.dll:Class", name(&[], "C:\\x\\y.dll", Some("Class"))),
            ("/opt/plugins/libx.so:Class", name(&[], "/opt/plugins/libx.so", Some("Class"))),
        ] {
            let parsed: ModuleName = text.parse().unwrap();
            assert_eq!(parsed, expected);
            assert_eq!(parsed.to_string(), text);
        }
        assert_eq!("x.dll:".parse(), Ok(name(&[], "x.dll", None)));
        assert_eq!("C:\\y.dll:".parse(), Ok(name(&[], "C:\\y.dll", None)));
        assert_eq!("C:\\y.dll:Class:more".parse(), Ok(name(&[], "C:\\y.dll", Some("Class"))));
    }

    #[test]
    fn no_library() {
        for text in ["", " ", ":Class", "a@", "a@:C", "C::Class", "::"] {
            assert_eq!(text.parse::<ModuleName>(), Err(NoLibrary), "{text}");
        }
    }

    #[test]
    fn libraries_are_compared_without_their_directory() {
        let module: ModuleName = "./OpenSim.Services.AssetService.dll:AssetService".parse().unwrap();
        assert!(module.is("OpenSim.Services.AssetService.dll", "AssetService"));
        assert!(!module.is("OpenSim.Services.AssetService.dll", "XAssetService"));
        assert!(!module.is("opensim.services.assetservice.dll", "AssetService"));
        assert!(same_library("bin/x.dll", "x.dll") && same_library("C:\\bin\\x.dll", "x.dll") && same_library("x.dll", "x.dll"));
        assert!(!same_library("ax.dll", "x.dll"));
        assert!("x.dll".parse::<ModuleName>().unwrap().is("x.dll", "Anything"));
    }

    #[test]
    fn as_an_option() {
        assert_eq!(crate::typing::parse::<OptionalModule>(""), Ok(OptionalModule(None)));
        assert_eq!(
            crate::typing::parse::<ModuleName>(":x").unwrap_err(),
            "\":x\": names no library; [argument@]library[:class] is meant"
        );
    }

    proptest! {
        #[test]
        fn what_is_displayed_reads_back(text in "[a-c@:./\\\\]{0,10}") {
            if let Ok(module) = text.parse::<ModuleName>() {
                prop_assert_eq!(module.to_string().parse::<ModuleName>(), Ok(module));
            }
        }
    }
}
