//! The shells that OUT connectors ask: which ones a section means, and joining each group of them once.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use gridshell_config::Reader;
use gridshell_connectors::transport::Transport;
use gridshell_connectors::upstream::{
    CheckOptions, Credentials, EjectionOptions, GroupOptions, Policy, RetryOptions, SplitTransport, Trust, UpstreamGroup,
    WeightedAddress,
};

use super::Planner;
use super::shared::Shared;
use crate::settings::{CertificateOptions, Seconds, UpstreamOptions, UpstreamPolicy};

/// The other shells behind a service, not asked yet.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamPlan {
    reads: Arc<GroupPlan>,
    /// Where writes go when that is elsewhere.
    writes: Option<Arc<GroupPlan>>,
    read_your_writes: Duration,
}

/// A group of shells that do the same work.
#[derive(Clone, Debug)]
pub struct GroupPlan {
    /// In messages and metrics.
    name: String,
    members: Vec<WeightedAddress>,
    options: GroupOptions,
}

impl PartialEq for GroupPlan {
    /// Sections that ask the same shells in the same way share a group, whoever gave it a name.
    fn eq(&self, other: &Self) -> bool {
        self.members == other.members && self.options == other.options
    }
}

impl UpstreamPlan {
    /// Where the shells are, for people.
    pub fn place(&self) -> String {
        let addresses = |group: &GroupPlan| {
            let addresses: Vec<String> = group.members.iter().map(|member| member.address.to_string()).collect();
            addresses.join(", ")
        };
        match &self.writes {
            Some(writes) => format!("{} and, for writes, {}", addresses(&self.reads), addresses(writes)),
            None => addresses(&self.reads),
        }
    }
}

/// The one group of shells of a section, whose addresses are the value of `key`, for who knows no reads from writes. `name` stands in
/// messages and metrics.
pub fn plan_group(planner: &mut Planner<'_>, section: &str, key: &str, name: &str) -> Option<UpstreamPlan> {
    let is_split = planner.configuration().get(section, "WriteURI").is_some_and(|entry| !entry.value.is_empty());
    if is_split {
        let message = format!("what is passed on is not understood, so reads and writes cannot part; all goes to {key}");
        planner.error(section, "WriteURI", message);
    }
    plan_named(planner, section, (section, key), name)
}

/// The shells of a section, whose addresses are the value of `key`.
pub fn plan_upstreams(planner: &mut Planner<'_>, section: &str, key: &str) -> Option<UpstreamPlan> {
    plan_upstreams_at(planner, section, section, key)
}

/// The shells of a section, whose addresses may be in another one.
pub fn plan_upstreams_at(planner: &mut Planner<'_>, section: &str, uri_section: &str, key: &str) -> Option<UpstreamPlan> {
    plan_named(planner, section, (uri_section, key), section)
}

fn plan_named(planner: &mut Planner<'_>, section: &str, (uri_section, key): (&str, &str), name: &str) -> Option<UpstreamPlan> {
    let addresses = planner.read(uri_section, |reader| reader.required::<String>(key));
    let options = planner.read(section, read_options);
    let trust = planner.read("Startup", CertificateOptions::read);
    let authentication = planner.read_authentication(section);
    let addresses = addresses?;
    let reads = plan_members(planner, uri_section, key, &addresses);
    let options = options?;
    let writes = match options.write_uri.as_str() {
        "" => None,
        addresses => Some(plan_members(planner, section, "WriteURI", addresses)?),
    };
    let trust = trust.map(|trust| Trust { extra_roots: Vec::new(), any_chain: trust.any_chain, any_name: trust.any_name });
    let authentication = authentication?;
    let credentials = authentication
        .is_basic()
        .then(|| Credentials { user: authentication.user, password: authentication.password.expose().to_owned() });
    let read_your_writes = options.read_your_writes.0;
    let options = group_options(options, trust?, credentials);
    let mut group = |section: &str, key: &str, name: String, members: Vec<WeightedAddress>| match UpstreamGroup::check(
        &name, &members, &options,
    ) {
        Ok(()) => Some(Arc::new(GroupPlan { name, members, options: options.clone() })),
        Err(error) => {
            planner.error(section, key, error.to_string());
            None
        }
    };
    let reads = group(uri_section, key, name.to_owned(), reads?);
    let writes = match writes {
        Some(members) => Some(group(section, "WriteURI", format!("{section} writes"), members)?),
        None => None,
    };
    Some(UpstreamPlan { reads: reads?, writes, read_your_writes })
}

fn plan_members(planner: &mut Planner<'_>, section: &str, key: &str, text: &str) -> Option<Vec<WeightedAddress>> {
    let message = match WeightedAddress::parse_list(text) {
        Ok(members) if members.is_empty() => "names no shell; an address such as http://storage:8003 is meant".to_owned(),
        Ok(members) => return Some(members),
        Err(error) => error.to_string(),
    };
    planner.error(section, key, message);
    None
}

/// The options, with the mistakes that a type does not show.
fn read_options(reader: &mut Reader<'_>) -> Option<UpstreamOptions> {
    let options = UpstreamOptions::read(reader)?;
    let times = [
        ("ConnectTimeout", options.connect_time),
        ("Patience", options.patience),
        ("AnswerTimeout", options.answer_time),
        ("TotalTimeout", options.total_time),
        ("HealthCheckInterval", options.check_interval),
        ("HealthCheckTimeout", options.check_time),
    ];
    for (key, _) in times.iter().filter(|(_, Seconds(time))| time.is_zero()) {
        reader.error(key, "a time of 0 lets nothing happen");
    }
    for (key, _) in [("MaxRequestsUnderWay", options.in_flight), ("Attempts", options.attempts)].iter().filter(|it| it.1 == 0) {
        reader.error(key, "with 0 nothing is ever sent");
    }
    let budget = [
        ("RetryShare", options.retry_share),
        ("RetriesPerSecond", options.retries_per_second),
        ("RetryBurst", options.retry_burst),
    ];
    for (key, _) in budget.iter().filter(|(_, value)| *value < 0.0) {
        reader.error(key, "is a number from 0 on");
    }
    if !options.check_path.starts_with('/') || options.check_path.contains(char::is_whitespace) {
        reader.error("HealthCheckPath", "begins with / and has no blanks");
    }
    Some(options)
}

fn group_options(options: UpstreamOptions, trust: Trust, credentials: Option<Credentials>) -> GroupOptions {
    let (answer_time, total_time) = match u64::try_from(options.remote_request_timeout) {
        Ok(0) | Err(_) => (options.answer_time.0, options.total_time.0),
        // What the operator waits for must not end earlier by a default.
        Ok(seconds) => (Duration::from_secs(seconds), options.total_time.0.max(Duration::from_secs(seconds))),
    };
    let checks = CheckOptions {
        path: options.check_path,
        interval: options.check_interval.0,
        time: options.check_time.0,
        failures: options.check_failures,
        successes: options.check_successes,
        success_only: options.check_success_only,
    };
    GroupOptions {
        policy: match options.policy {
            UpstreamPolicy::LeastBusy => Policy::LeastBusy,
            UpstreamPolicy::RoundRobin => Policy::RoundRobin,
            UpstreamPolicy::Hash => Policy::Hash,
        },
        credentials,
        trust,
        connect_time: options.connect_time.0,
        patience: options.patience.0,
        answer_time,
        total_time,
        answer_size: options.answer_size,
        in_flight: options.in_flight,
        idle_connections: options.idle_connections,
        idle_time: options.idle_time.0,
        retry: RetryOptions {
            attempts: options.attempts,
            share: options.retry_share,
            per_second: options.retries_per_second,
            burst: options.retry_burst,
        },
        ejection: EjectionOptions {
            failures: options.eject_after,
            first: options.eject_time.0,
            longest: options.max_eject_time.0,
        },
        checks: options.check.then_some(checks),
    }
}

/// The groups that are asked. One is shared by all services with the same plan: a limit on requests under way, and what is known of who
/// fails, belong to the shells and not to who asks them.
#[derive(Default)]
pub struct Upstreams {
    /// Each with its plan.
    groups: Shared<Arc<GroupPlan>, Arc<UpstreamGroup>>,
    /// Those without which the program is not ready.
    needed: Vec<Arc<UpstreamGroup>>,
    /// Shared too, since reads through one connector follow writes through another.
    splits: Shared<UpstreamPlan, Arc<SplitTransport>>,
}

impl Upstreams {
    /// The way to the shells of a plan. Has to be called within a runtime, which checks on them from then on.
    ///
    /// # Errors
    /// The system has no certificates to check those of https addresses with.
    pub fn join(&mut self, plan: &UpstreamPlan) -> Result<Arc<dyn Transport>> {
        let reads = self.group(&plan.reads, true)?;
        let Some(writes) = &plan.writes else { return Ok(reads) };
        let writes = self.group(writes, true)?;
        let split = self.splits.get(|known| known == plan);
        let new = || Arc::new(SplitTransport::new(reads, writes, plan.read_your_writes));
        Ok(split.unwrap_or_else(|| self.splits.insert(plan.clone(), new())))
    }

    /// The group of a plan that parts no reads from writes. Who can do without it, does not need it.
    ///
    /// # Errors
    /// As [`Upstreams::join`].
    pub fn join_group(&mut self, plan: &UpstreamPlan, is_needed: bool) -> Result<Arc<UpstreamGroup>> {
        self.group(&plan.reads, is_needed)
    }

    /// Another configuration is going to be built.
    pub fn begin(&mut self) {
        self.groups.begin();
        self.splits.begin();
        self.needed.clear();
    }

    /// All groups that this configuration has wanted.
    pub fn wanted(&self) -> Vec<Arc<UpstreamGroup>> {
        self.groups.wanted()
    }

    /// Of these, those without which the program is not ready.
    pub fn needed(&self) -> Vec<Arc<UpstreamGroup>> {
        self.needed.clone()
    }

    /// This configuration is in force.
    pub fn accept(&mut self) {
        self.groups.accept();
        self.splits.accept();
    }

    /// This configuration is given up.
    pub fn reject(&mut self) {
        self.groups.reject();
        self.splits.reject();
    }

    fn group(&mut self, plan: &Arc<GroupPlan>, is_needed: bool) -> Result<Arc<UpstreamGroup>> {
        let group = match self.groups.get(|known| known == plan) {
            Some(group) => group,
            None => {
                let group = UpstreamGroup::start(&plan.name, plan.members.clone(), plan.options.clone())?;
                self.groups.insert(plan.clone(), Arc::new(group))
            }
        };
        if is_needed && !self.needed.iter().any(|known| Arc::ptr_eq(known, &group)) {
            self.needed.push(group.clone());
        }
        Ok(group)
    }
}
