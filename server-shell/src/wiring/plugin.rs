//! Planning plugins: which ones are named, what the configuration says of each, and whether its file may be loaded.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gridshell_config::{Configuration, ConnectorEntry, ModuleName, Problem};

use super::{ConnectorKind, Planner};
use crate::plugins::{Entries, Limits, Permission, PluginPlan, ProcessLimits, Refusal, Step, Texts, check_file, plugin_name};
use crate::settings::{Isolation, PluginOptions, PluginsOptions, Seconds};

/// A service of a plugin, as something names it: `libx.so:service`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PluginService {
    /// The plugin's name.
    pub plugin: String,
    /// The service; none is the one that fits.
    pub service: Option<String>,
}

/// The plugins that were named so far, by their files.
#[derive(Default)]
pub struct NamedPlugins {
    /// What became of each; `None` when it cannot be used, which was said.
    by_file: BTreeMap<String, Option<PluginPlan>>,
    /// One that the program does not start without cannot be used.
    pub misses_required: bool,
    /// Why files were refused.
    pub refused: Vec<String>,
}

impl NamedPlugins {
    /// Those that can be used.
    pub fn into_plans(self) -> Vec<PluginPlan> {
        self.by_file.into_values().flatten().collect()
    }

    /// The file that a plugin is in, when it can be used.
    fn file_of(&self, name: &str) -> Option<&str> {
        self.by_file.values().flatten().find(|plan| plan.name == name).map(|plan| plan.file.as_str())
    }

    /// Step 5, as far as the configuration decides it: no two files are the same plugin, as `libx.so` and `x.so` are.
    fn check_name(&self, plan: PluginPlan) -> Result<PluginPlan, Refusal> {
        match self.file_of(&plan.name) {
            Some(other) => {
                let (what, expected) = ("the plugin's name", "one that is not loaded yet");
                Err(Refusal::new(&plan.file, Step::Loaded, what, expected, format_args!("{}, which is {other}", plan.name)))
            }
            None => Ok(plan),
        }
    }
}

/// Whether the library of a module is a plugin.
pub fn is_plugin(library: &str) -> bool {
    library.ends_with(".so")
}

/// Plans an IN connector that is a plugin. Gives the section of its protection with it.
pub fn plan_plugin_connector(planner: &mut Planner<'_>, entry: &ConnectorEntry) -> Option<(ConnectorKind, String)> {
    if let Some(section) = &entry.config_name {
        let message = format!("a plugin reads the section of its own name; leave {section}@ out");
        planner.report(entry.problem(message));
        return None;
    }
    let plugin = planner.plugin(&entry.library, &mut |planner, message| planner.report(entry.problem(message)))?;
    let section = section_of(&plugin);
    Some((ConnectorKind::Plugin(PluginService { plugin, service: entry.class.clone() }), section))
}

/// Plans a service that a plugin fulfils.
pub fn plan_plugin_service(planner: &mut Planner<'_>, section: &str, key: &str, name: &ModuleName) -> Option<PluginService> {
    if !name.arguments.is_empty() {
        let message = format!("{name}: a plugin reads the section of its own name; leave what is before @ out");
        planner.error(section, key, message);
        return None;
    }
    let plugin = planner.plugin(&name.library, &mut |planner, message| planner.error(section, key, message))?;
    Some(PluginService { plugin, service: name.class.clone() })
}

/// What the configuration permits a file that is to be a plugin: folder and list, and the hash that it must have.
///
/// # Errors
/// What is wrong with the configuration of plugins.
pub fn plugin_permission(configuration: &Configuration, file: &str) -> Result<(Permission, Option<String>), Vec<Problem>> {
    let mut planner = Planner::new(configuration);
    let file = file.rsplit_once('/').map_or(file, |(_, name)| name);
    let section = section_of(plugin_name(file).unwrap_or(file));
    let common = planner.read("Plugins", PluginsOptions::read);
    let options = planner.read(&section, PluginOptions::read);
    let permitted = common.zip(options).and_then(|(common, options)| {
        planner.check_limits(&section, &options)?;
        Some((planner.permission(&common)?, hash_of(&options)))
    });
    permitted.ok_or_else(|| planner.into_problems())
}

/// The hash that the operator has said.
fn hash_of(options: &PluginOptions) -> Option<String> {
    Some(options.sha256.clone()).filter(|text| !text.is_empty())
}

fn section_of(plugin: &str) -> String {
    format!("Plugin:{plugin}")
}

impl Planner<'_> {
    /// The name of the plugin in a file, when it can be used. `say` gets what is wrong, at each place that names it.
    fn plugin(&mut self, file: &str, say: &mut dyn FnMut(&mut Self, String)) -> Option<String> {
        if !self.plugins.by_file.contains_key(file) {
            let plan = self.plan_plugin(file, say);
            self.plugins.by_file.insert(file.to_owned(), plan);
        } else if self.plugins.by_file[file].is_none() {
            say(self, format!("the plugin {file} cannot be used; see above"));
        }
        self.plugins.by_file[file].as_ref().map(|plan| plan.name.clone())
    }

    fn plan_plugin(&mut self, file: &str, say: &mut dyn FnMut(&mut Self, String)) -> Option<PluginPlan> {
        let common = self.read("Plugins", PluginsOptions::read);
        // A name that is none has no section; step 1 refuses it.
        let name = plugin_name(file).unwrap_or(file).to_owned();
        let section = section_of(&name);
        let options = self.read(&section, PluginOptions::read);
        let is_required = options.as_ref().is_some_and(|options| options.required);
        let plan = common.and_then(|common| {
            let options = options?;
            self.check_limits(&section, &options)?;
            let permission = self.permission(&common)?;
            let texts = Arc::new(self.texts_of(&section, &options.config_sections));
            Some(PluginPlan {
                name,
                file: file.to_owned(),
                permission,
                sha256: hash_of(&options),
                copies: Path::new(&common.state_directory).join("plugins"),
                is_required,
                is_probed: common.probe,
                process: (options.isolation == Isolation::Process)
                    .then_some(ProcessLimits { memory_megabytes: options.most_memory, open_files: options.most_files }),
                limits: Limits {
                    most_requests: options.most_requests,
                    request_time: options.request_time.0,
                    start_time: options.start_time.0,
                    on_panic: options.on_panic,
                },
                texts,
            })
        });
        let plan = plan.and_then(|plan| {
            let checked = check_file(file, &plan.permission, plan.sha256.as_deref());
            match checked.and_then(|_| self.plugins.check_name(plan)) {
                Ok(plan) => Some(plan),
                Err(refusal) => {
                    self.plugins.refused.push(refusal.to_string());
                    say(self, refusal.to_string());
                    None
                }
            }
        });
        // A second file of a plugin takes nothing away: the plugin itself is there.
        let is_there = plan.is_some() || self.plugins.file_of(plugin_name(file).unwrap_or(file)).is_some();
        self.plugins.misses_required |= is_required && !is_there;
        plan
    }

    fn permission(&mut self, common: &PluginsOptions) -> Option<Permission> {
        let directory = PathBuf::from(&common.directory);
        if !directory.is_absolute() {
            let message = "is needed for plugins: the absolute path of their folder".to_owned();
            self.error("Plugins", "Directory", message);
            return None;
        }
        Some(Permission { directory, allow: common.allow.clone(), allow_unmarked: common.allow_unmarked })
    }

    fn check_limits(&mut self, section: &str, options: &PluginOptions) -> Option<()> {
        let times = [("RequestTimeout", options.request_time), ("StartTimeout", options.start_time)];
        let mut wrong: Vec<_> = times
            .iter()
            .filter(|(_, Seconds(time))| time.is_zero())
            .map(|(key, _)| (*key, "a time of 0 lets nothing happen"))
            .collect();
        if !(1..=1000).contains(&options.most_requests) {
            wrong.push(("MaxConcurrent", "is a number from 1 to 1000"));
        }
        let digits = options.sha256.len();
        if digits != 0 && (digits != 64 || !options.sha256.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            wrong.push(("Sha256", "has 64 hexadecimal digits"));
        }
        for (key, message) in &wrong {
            self.error(section, key, (*message).to_owned());
        }
        wrong.is_empty().then_some(())
    }

    /// What the plugin may read. All of it counts as read, since nobody knows what a plugin reads until it runs.
    fn texts_of(&mut self, section: &str, others: &[String]) -> Texts {
        let entries_of = |name: &str| -> Option<Entries> {
            let section = self.configuration().section(name)?;
            Some(section.read_all().map(|entry| (entry.key.clone(), entry.value.clone())).collect())
        };
        let found = others.iter().filter_map(|name| Some((name.clone(), entries_of(name)?)));
        let texts =
            Texts { section: section.to_owned(), entries: entries_of(section).unwrap_or_default(), others: found.collect() };
        for name in others.iter().filter(|name| !texts.others.contains_key(*name)) {
            self.warn(section, "ConfigSections", format!("there is no section [{name}]"));
        }
        texts
    }
}
