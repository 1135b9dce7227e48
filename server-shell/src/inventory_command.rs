//! `gridshell inventory check`: looks for what is wrong with inventories, and repairs it when asked to.

use std::io::{BufRead, IsTerminal, Write, stdin, stdout};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use gridshell_config::Configuration;
use gridshell_interfaces::ids::parse_uuid;
use gridshell_services::inventory::SqlInventoryService;
use gridshell_services::inventory::check::{Finding, Report};
use indicatif::{ProgressBar, ProgressStyle};
use uuid::Uuid;

use crate::wiring;

/// How to call it.
pub const USAGE: &str = "\
gridshell inventory check USER [--repair [--yes]] [--json] [SWITCHES]
gridshell inventory check --all [--repair --yes] [--json] [SWITCHES]

Looks at the inventory of a user (a UUID), or of all users, in the database of the configuration: missing and duplicate system
folders, folders and items whose folder does not exist, folders inside of themselves. Changes nothing without --repair, which asks
before it does; --yes answers. What cannot be reached is put into Lost And Found; nothing is deleted but empty duplicate folders.

--json prints one JSON object a line: for each user with findings {user, folders, items, findings: [{kind, text}], repairs: [text],
repaired}, and at the end {users, with_findings, repaired}. Status: 0 all is well, or put right; 1 there are findings; 2 it could not be done.
";

/// Users that are asked for at once.
const BATCH: u32 = 500;

/// What was asked for.
pub struct InventoryCommand {
    users: Users,
    repair: bool,
    yes: bool,
    json: bool,
    /// What the configuration is chosen by.
    pub switches: Vec<String>,
}

enum Users {
    One(Uuid),
    All,
}

#[derive(Default)]
struct Totals {
    users: u64,
    with_findings: u64,
    repaired: u64,
}

impl InventoryCommand {
    /// Reads the words after `gridshell inventory`.
    ///
    /// # Errors
    /// Words that are not understood.
    pub fn parse(arguments: &[String]) -> Result<Self> {
        let Some((_, words)) = arguments.split_first().filter(|(command, _)| *command == "check") else {
            bail!("there is only gridshell inventory check");
        };
        let (mut users, mut repair, mut yes, mut json, mut switches) = (None, false, false, false, Vec::new());
        for word in words {
            match word.as_str() {
                "--all" if users.is_none() => users = Some(Users::All),
                "--repair" => repair = true,
                "--yes" => yes = true,
                "--json" => json = true,
                word if word != "--all" && word.starts_with('-') || !switches.is_empty() => switches.push(word.to_owned()),
                word if users.is_none() => {
                    let id = parse_uuid(word).with_context(|| format!("{word} is no UUID of a user"))?;
                    users = Some(Users::One(id));
                }
                _ => bail!("one user, or --all; not both, and not several"),
            }
        }
        let users = users.context("it needs the UUID of a user, or --all")?;
        if repair && !yes && (json || matches!(users, Users::All)) {
            bail!("--repair of all users, or with --json, asks nobody: it needs --yes");
        }
        Ok(Self { users, repair, yes, json, switches })
    }

    /// Does it.
    ///
    /// # Errors
    /// No inventory service in the configuration, or a fault of its database.
    pub fn run(&self, configuration: &Configuration) -> Result<ExitCode> {
        let (plan, problems) = wiring::plan(configuration);
        let Some(plan) = plan else {
            crate::report(&problems);
            bail!("the configuration cannot be used; its errors are above");
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(async {
            let service = wiring::open_inventory(&plan).await?;
            let service = service.context("the configuration lists no inventory connector that can be loaded")?;
            let totals = match self.users {
                Users::One(user) => self.check_one(&service, user).await?,
                Users::All => self.check_all(&service).await?,
            };
            if self.json {
                let Totals { users, with_findings, repaired } = totals;
                let summary = serde_json::json!({"users": users, "with_findings": with_findings, "repaired": repaired});
                print(&[summary.to_string()])?;
            }
            Ok(if totals.with_findings > totals.repaired { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        })
    }

    async fn check_one(&self, service: &SqlInventoryService, user: Uuid) -> Result<Totals> {
        let mut totals = Totals::default();
        let report = service.check(user).await?;
        let mut said = self.deal_with(service, &report, &mut totals).await?;
        if !self.json && report.findings.is_empty() {
            said.push(format!("{user}: {} folders, {} items, all is well", report.folders, report.items));
        }
        print(&said)?;
        Ok(totals)
    }

    async fn check_all(&self, service: &SqlInventoryService) -> Result<Totals> {
        let mut totals = Totals::default();
        let bar = progress_bar(service.count_users().await?);
        let mut last = None;
        loop {
            let users = service.users_after(last, BATCH).await?;
            let Some(end) = users.last() else { break };
            last = Some(*end);
            for user in users {
                let report = service.check(user).await?;
                let said = self.deal_with(service, &report, &mut totals).await?;
                if !said.is_empty() {
                    bar.suspend(|| print(&said))?;
                }
                bar.inc(1);
            }
        }
        bar.finish_and_clear();
        if !self.json {
            let Totals { users, with_findings, repaired } = totals;
            print(&[format!("{users} users, {with_findings} with findings, {repaired} repaired")])?;
        }
        Ok(totals)
    }

    /// Repairs what was found, when that is wanted; gives what is to be said about it.
    async fn deal_with(&self, service: &SqlInventoryService, report: &Report, totals: &mut Totals) -> Result<Vec<String>> {
        totals.users += 1;
        if report.findings.is_empty() {
            return Ok(Vec::new());
        }
        totals.with_findings += 1;
        let mut said = if self.json { Vec::new() } else { lines(report) };
        if self.repair && !self.yes {
            // Who is asked has to see first what about.
            print(&std::mem::take(&mut said))?;
        }
        let repaired = self.repair && (self.yes || asked()?) && service.repair(report).await?;
        totals.repaired += u64::from(repaired);
        if self.json {
            said.push(json(report, repaired).to_string());
        } else if self.repair {
            let outcome =
                if repaired { "repaired" } else { "not repaired: it was not wanted, or the inventory has changed meanwhile" };
            said.push(format!("{}: {outcome}", report.user));
        }
        Ok(said)
    }
}

fn print(lines: &[String]) -> Result<()> {
    let mut out = stdout().lock();
    for line in lines {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// What was found and what would be done, a line each.
pub fn lines(report: &Report) -> Vec<String> {
    let user = report.user;
    let head = format!("{user}: {} folders, {} items, {} findings", report.folders, report.items, report.findings.len());
    let findings = report.findings.iter().map(|finding| format!("  {finding}"));
    let repairs = report.repairs.iter().map(|repair| format!("  to repair: {repair}"));
    std::iter::once(head).chain(findings).chain(repairs).collect()
}

fn json(report: &Report, repaired: bool) -> serde_json::Value {
    let findings: Vec<_> =
        report.findings.iter().map(|finding| serde_json::json!({"kind": kind(finding), "text": finding.to_string()})).collect();
    let repairs: Vec<_> = report.repairs.iter().map(ToString::to_string).collect();
    serde_json::json!({
        "user": report.user.to_string(),
        "folders": report.folders,
        "items": report.items,
        "findings": findings,
        "repairs": repairs,
        "repaired": repaired,
    })
}

fn kind(finding: &Finding) -> &'static str {
    match finding {
        Finding::NoRoot => "no-root",
        Finding::UnnamedRoot(_) => "unnamed-root",
        Finding::MissingSystemFolder(_) => "missing-system-folder",
        Finding::DuplicateSystemFolder { .. } => "duplicate-system-folder",
        Finding::ExtraTopFolder(_) => "extra-top-folder",
        Finding::OrphanFolder { .. } => "orphan-folder",
        Finding::Cycle(_) => "cycle",
        Finding::OrphanItem { .. } => "orphan-item",
    }
}

fn asked() -> Result<bool> {
    write!(stdout(), "Repair it? [no]: ")?;
    stdout().flush()?;
    let mut answer = String::new();
    stdin().lock().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "yes"))
}

/// A bar on standard error when that is a terminal.
fn progress_bar(users: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(users);
    if let Ok(style) = ProgressStyle::with_template("{bar:40} {pos} of {len} users, {per_sec}, {eta} left") {
        bar.set_style(style);
    }
    bar
}
