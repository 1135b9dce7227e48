//! All listeners of the program: one over HTTP for each port that a connector names, the main one, and the one of `https_listener`; over
//! FastCGI those of `[FastCGI]`.
//!
//! When the configuration changes, those that are still wanted go on with other connectors. What can fail is done first, while the old
//! connectors answer ([`Opened::open`]); what follows cannot fail ([`Opened::switch`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use gridshell_connectors::http::Router;

use crate::answering::{Answerer, Limits};
use crate::fastcgi::{Address, DescriptorZero, FastCgiListener, FastCgiOptions};
use crate::listener::{Listener, ListenerOptions};
use crate::request_log::RequestLog;
use crate::settings::NetworkOptions;
use crate::tls;
use crate::wiring::Plan;

/// How often it is looked whether old requests are answered.
const PAUSE: Duration = Duration::from_millis(50);

/// All running listeners.
#[derive(Clone, Default)]
pub struct Listeners {
    /// Over HTTP.
    pub http: Vec<Arc<Listener>>,
    /// Over FastCGI.
    pub fastcgi: Vec<Arc<FastCgiListener>>,
    /// Those of HTTP that finish what they have begun; their sockets may be wanted again meanwhile.
    retiring: Vec<Weak<Listener>>,
}

impl Listeners {
    /// Accept no more connections, finish the requests under way, and return.
    pub async fn stop(&self) {
        let http = futures_util::future::join_all(self.http.iter().map(|listener| listener.stop()));
        let fastcgi = futures_util::future::join_all(self.fastcgi.iter().map(|listener| listener.stop()));
        futures_util::future::join(http, fastcgi).await;
    }

    /// The same for those whose place others have taken: what they have accepted is served too.
    pub async fn retire(&self) {
        let http = futures_util::future::join_all(self.http.iter().map(|listener| listener.retire()));
        let fastcgi = futures_util::future::join_all(self.fastcgi.iter().map(|listener| listener.stop()));
        futures_util::future::join(http, fastcgi).await;
    }

    /// Those that are not among `others`.
    fn without(&self, others: &Self) -> Self {
        let http = self.http.iter().filter(|listener| !others.http.iter().any(|other| Arc::ptr_eq(listener, other)));
        let fastcgi = self.fastcgi.iter().filter(|listener| !others.fastcgi.iter().any(|other| Arc::ptr_eq(listener, other)));
        Self { http: http.cloned().collect(), fastcgi: fastcgi.cloned().collect(), retiring: Vec::new() }
    }

    fn retiring_on(&self, port: u16) -> Option<Arc<Listener>> {
        self.retiring.iter().filter_map(Weak::upgrade).find(|listener| listener.port == port)
    }
}

/// Listeners that are open, for connectors that are not in their place yet.
pub struct Opened {
    http: Vec<Arc<Listener>>,
    /// Each with the port whose connectors it will serve.
    fastcgi: Vec<(u16, Arc<FastCgiListener>)>,
    routers: BTreeMap<u16, Arc<Router>>,
    network: NetworkOptions,
}

/// What a switch has left.
pub struct Replaced {
    /// Listeners that nobody wants any more.
    pub listeners: Listeners,
    /// Who has answered before, for as long as requests are under way there.
    pub answerers: Vec<Weak<Answerer>>,
}

impl Replaced {
    /// Waits until the last request that began before the switch is answered.
    pub async fn end(self) {
        self.listeners.retire().await;
        drop(self.listeners);
        for answerer in self.answerers {
            while answerer.strong_count() > 0 {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

impl Opened {
    /// Opens what is missing among the listeners of `before`. `given` is the socket that was descriptor 0.
    ///
    /// # Errors
    /// An address that is taken or not permitted; then nothing has changed.
    pub fn open(
        plan: &Plan,
        mut routers: BTreeMap<u16, Router>,
        not_found_page: &Bytes,
        request_log: &Arc<RequestLog>,
        given: Option<DescriptorZero>,
        before: &Listeners,
    ) -> Result<Self> {
        let fastcgi_ports = plan.fastcgi.listeners.iter().map(|(port, _)| *port);
        for port in fastcgi_ports.chain(plan.network.https_listener.then_some(plan.network.https_port)) {
            routers.entry(port).or_insert_with(|| Router::new(not_found_page.clone()));
        }
        let mut opened = Self {
            http: Vec::new(),
            fastcgi: Vec::new(),
            routers: routers.into_iter().map(|(port, router)| (port, Arc::new(router))).collect(),
            network: plan.network.clone(),
        };
        let http = opened.open_http(plan, request_log, before);
        match http.and_then(|()| opened.open_fastcgi(plan, request_log, given, before)) {
            Ok(()) => Ok(opened),
            Err(error) => {
                opened.give_up(before);
                Err(error)
            }
        }
    }

    /// Closes again what was opened. Where nobody listened before, nobody was told of it, so that its port is free again at once.
    pub fn give_up(self, before: &Listeners) {
        let opened = self.listeners().without(before);
        let is_successor = |listener: &Arc<Listener>| before.http.iter().any(|old| old.port == listener.port);
        let (successors, new) = opened.http.into_iter().partition(is_successor);
        let new = Listeners { http: new, fastcgi: opened.fastcgi, retiring: Vec::new() };
        let successors = Listeners { http: successors, ..Listeners::default() };
        tokio::spawn(async move { futures_util::future::join(new.stop(), successors.retire()).await });
    }

    /// All requests that begin from now on go to the new connectors.
    pub fn switch(self, before: &Listeners) -> (Listeners, Replaced) {
        let http = before.http.iter().map(|listener| listener.answerer());
        let answerers = http.chain(before.fastcgi.iter().map(|listener| listener.answerer()));
        let answerers = answerers.map(|answerer| Arc::downgrade(&answerer)).collect();
        let proxies = || self.network.trusted_proxies.0.clone();
        // There is a router for each port that something listens for.
        for listener in &self.http {
            listener.change(self.routers[&listener.port].clone(), limits(&self.network), proxies());
        }
        for (port, listener) in &self.fastcgi {
            listener.change(*port, self.routers[port].clone(), limits(&self.network), proxies());
        }
        let mut listeners = self.listeners();
        let replaced = Replaced { listeners: before.without(&listeners), answerers };
        // Whoever knows of the switch and asks on an old connection is told that it ends.
        replaced.listeners.http.iter().for_each(|listener| listener.close_connections());
        let retiring = before.retiring.iter().filter(|listener| listener.strong_count() > 0).cloned();
        listeners.retiring = retiring.chain(replaced.listeners.http.iter().map(Arc::downgrade)).collect();
        (listeners, replaced)
    }

    fn listeners(&self) -> Listeners {
        let fastcgi = self.fastcgi.iter().map(|(_, listener)| listener.clone());
        Listeners { http: self.http.clone(), fastcgi: fastcgi.collect(), retiring: Vec::new() }
    }

    fn open_http(&mut self, plan: &Plan, request_log: &Arc<RequestLog>, before: &Listeners) -> Result<()> {
        let network = &self.network;
        let additional = network.https_listener.then_some(network.https_port);
        let speaks_tls =
            |port: u16| network.https_main && port == network.port || additional == Some(port) && !network.https_external;
        let tls = match self.routers.keys().any(|port| speaks_tls(*port)) {
            true => Some(tls::server_config(&network.cert_path, network.cert_pass.expose())?),
            false => None,
        };
        for (port, router) in self.routers.iter().filter(|(port, _)| !plan.fastcgi.only_ports.contains(port)) {
            let port = *port;
            warn_if_open(network, port, router);
            let options = ListenerOptions {
                addresses: network.addresses.0.clone(),
                port,
                tls: tls.clone().filter(|_| speaks_tls(port)),
                workers: workers(network),
                limits: limits(network),
                trusted_proxies: network.trusted_proxies.0.clone(),
                passes: router.has_passing(),
            };
            let listener = match before.http.iter().find(|listener| listener.port == port) {
                Some(existing) if existing.can_change_to(&options) => Ok(existing.clone()),
                Some(existing) => existing.successor(options).map(Arc::new),
                None => {
                    tracing::info!("[BASE HTTP SERVER]: Starting HTTP server on port {port}");
                    let (router, log) = (router.clone(), request_log.clone());
                    match before.retiring_on(port) {
                        Some(retiring) => retiring.restart(options, router, log).map(Arc::new),
                        None => Listener::start(options, router, log).map(Arc::new),
                    }
                }
            };
            self.http.push(listener.with_context(|| {
                format!(
                    "[BASE HTTP SERVER]: port {port} cannot be used. Is another program on it, or does it need more permission?"
                )
            })?);
        }
        Ok(())
    }

    fn open_fastcgi(
        &mut self,
        plan: &Plan,
        request_log: &Arc<RequestLog>,
        mut given: Option<DescriptorZero>,
        before: &Listeners,
    ) -> Result<()> {
        for (port, address) in &plan.fastcgi.listeners {
            if let Some(existing) = before.fastcgi.iter().find(|listener| listener.address == *address) {
                self.fastcgi.push((*port, existing.clone()));
                continue;
            }
            if let Address::Tcp(address) = address
                && !address.ip().is_loopback()
            {
                tracing::warn!(
                    "[SECURITY]: WHOEVER REACHES {address} speaks FastCGI with port {port} and can pass for any client. Keep all but \
                     the web server away by a firewall, or use a Unix socket"
                );
            }
            let options = FastCgiOptions {
                port: *port,
                address: address.clone(),
                mode: plan.fastcgi.mode,
                max_connections: plan.fastcgi.max_connections,
                workers: workers(&plan.network),
                limits: limits(&plan.network),
                trusted_proxies: plan.network.trusted_proxies.0.clone(),
            };
            tracing::info!("[FASTCGI]: Starting FastCGI on {address} for port {port}");
            let given = if *address == Address::DescriptorZero { given.take() } else { None };
            let listener = FastCgiListener::start(options, self.routers[port].clone(), request_log.clone(), given)
                .with_context(|| format!("[FastCGI] Listeners: cannot listen on {address}"))?;
            self.fastcgi.push((*port, Arc::new(listener)));
        }
        Ok(())
    }
}

/// Private connectors have no protection of their own (shell.md section 13); where more than this machine reaches one, the operator
/// should know.
fn warn_if_open(network: &NetworkOptions, port: u16, router: &Router) {
    let reachable = network.addresses.0.iter().any(|address| !address.is_loopback());
    let unprotected = router.unprotected();
    if reachable && !unprotected.is_empty() {
        tracing::warn!(
            "[SECURITY]: WHOEVER REACHES PORT {port} can read and store everything: {} asks for no credentials and the port is open to \
             other machines. Keep others away by a firewall, by [Network] BindAddresses, or by AuthType = BasicHttpAuthentication",
            unprotected.join(", ")
        );
    }
}

fn workers(network: &NetworkOptions) -> usize {
    match network.workers {
        0 => std::thread::available_parallelism().map_or(1, usize::from),
        workers => workers,
    }
}

fn limits(network: &NetworkOptions) -> Limits {
    Limits {
        body: network.max_body,
        target: network.max_target,
        header_name: network.max_header_name,
        header_value: network.max_header_value,
        requests_per_connection: network.max_requests_per_connection,
        backlog: network.backlog,
        connections_per_worker: network.max_connections_per_worker,
        head_time: Duration::from_secs(network.head_timeout),
        request_time: Duration::from_secs(network.request_timeout),
        response_time: Duration::from_secs(network.response_timeout),
        idle_time: Duration::from_secs(network.idle_timeout),
        stop_time: Duration::from_secs(network.stop_timeout),
    }
}
