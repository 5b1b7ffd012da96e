//! From a configuration to what answers events and what carries out deliveries: opens the services.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::bind::{Bound, bind, pool_path};
use super::{ConfigError, ConfigErrors, Configuration, RuleSet, ServiceAddresses};
use crate::courier::Courier;
use crate::links::Links;
use crate::services::{self, Absent, OpenTemplates, TemplateUse, Templates};
use crate::{Adapter, Adapters, Chains, Clock, Dispatcher, Environment, Keys, Need, Services};

impl Configuration {
    /// Binds the tables to the rules and opens the services they need.
    ///
    /// A mailer, bucket or publisher that cannot be opened, or a template that is wrong, keeps nobody from signing in: what
    /// needs it fails and stays due, and [`Dispatcher::doubts`] says why. So it does of a table that is wrong and belongs to a
    /// rule whose faults are passed over: that rule is left out.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the file and the variables; if nothing is, the services that could not be opened.
    pub async fn open<R: RuleSet>(
        &self,
        environment: &Environment,
        adapters: &Adapters,
        clock: Arc<dyn Clock>,
    ) -> Result<Dispatcher, ConfigErrors> {
        self.opened(bind::<R>(self, environment), environment, adapters, clock).await
    }

    async fn opened(
        &self,
        mut bound: Bound,
        environment: &Environment,
        adapters: &Adapters,
        clock: Arc<dyn Clock>,
    ) -> Result<Dispatcher, ConfigErrors> {
        let (mut addresses, keys) = self.prepared(&mut bound, environment);
        let (doubts, errors) = std::mem::take(&mut bound.errors).into_iter().partition(ConfigError::is_dispensable);
        ConfigErrors::check(errors)?;
        let needed = |need, address: &mut Option<String>| {
            if !bound.needs(need) {
                *address = None;
            }
        };
        needed(Need::Ledger, &mut addresses.ledger);
        needed(Need::Directory, &mut addresses.directory);
        needed(Need::Mailer, &mut addresses.mailer);
        needed(Need::Bucket, &mut addresses.bucket);
        needed(Need::Publisher, &mut addresses.publisher);
        let directory = addresses.directory.clone().filter(|_| bound.cannot_do_without(Need::Directory));
        addresses.forget_unknown(adapters);
        addresses.directory = addresses.directory.or(directory);

        let mut opening = Opening { configuration: self, environment, errors: Vec::new(), doubts };
        let mut services = Services { keys, ..Services::none(clock) };
        let needs = |need| bound.cannot_do_without(need);
        opening.open_ledger(&mut services, &addresses, adapters, needs(Need::Ledger)).await;
        opening.open_directory(&mut services, &addresses, adapters, needs(Need::Directory)).await;
        opening.open_others(&mut services, &addresses, adapters).await;
        if adapters.templates.is_some() {
            let all = std::iter::once((None, &bound.base)).chain(bound.pools.iter().map(|(id, it)| (Some(id), it)));
            opening.doubts.extend(self.wrong_templates(all, services.templates.as_ref()));
        }
        ConfigErrors::check(opening.errors)?;
        Ok(Dispatcher::new(bound.base, bound.pools, services).doubting(opening.doubts))
    }

    /// Opens what carries out deliveries: the outbox, and every other service the configuration names.
    ///
    /// The courier needs no rules. What it cannot open is among the doubts: deliveries that need it fail and stay due.
    ///
    /// # Errors
    ///
    /// If no ledger is named, or it cannot be opened.
    pub async fn open_courier(
        &self,
        environment: &Environment,
        adapters: &Adapters,
        clock: Arc<dyn Clock>,
    ) -> Result<(Courier, Vec<ConfigError>), ConfigErrors> {
        let (addresses, keys) = self.without_rules("the courier", environment)?;
        let mut opening = Opening { configuration: self, environment, errors: Vec::new(), doubts: Vec::new() };
        let outbox = opening.open("ledger", addresses.ledger.as_deref(), &adapters.outboxes, true).await;
        let mut services = Services { keys, ..Services::none(clock) };
        opening.open_directory(&mut services, &addresses, adapters, false).await;
        opening.open_others(&mut services, &addresses, adapters).await;
        ConfigErrors::check(opening.errors)?;
        match outbox {
            Some(Ok(outbox)) => Ok((Courier::new(outbox, services), opening.doubts)),
            // What is wrong with one that is named was told a line before.
            _ => Err(ConfigError::new("the courier has no outbox").into()),
        }
    }

    /// Opens what a program without rules works with: the ledger, and of the other services those that the configuration names
    /// and the program has adapters for.
    ///
    /// What it cannot open of the others is among the doubts: whatever needs it fails.
    ///
    /// # Errors
    ///
    /// If no ledger is named, or it cannot be opened, or the root key is wrong.
    pub async fn open_services(
        &self,
        environment: &Environment,
        adapters: &Adapters,
        clock: Arc<dyn Clock>,
    ) -> Result<(Services, Vec<ConfigError>), ConfigErrors> {
        let (mut addresses, keys) = self.without_rules("this function", environment)?;
        addresses.forget_unknown(adapters);

        let mut opening = Opening { configuration: self, environment, errors: Vec::new(), doubts: Vec::new() };
        let mut services = Services { keys, ..Services::none(clock) };
        opening.open_ledger(&mut services, &addresses, adapters, true).await;
        opening.open_directory(&mut services, &addresses, adapters, false).await;
        opening.open_others(&mut services, &addresses, adapters).await;
        ConfigErrors::check(opening.errors)?;
        Ok((services, opening.doubts))
    }

    /// Where the services are, and the root key, for a program that has no rules. It needs a ledger.
    fn without_rules(&self, who: &str, environment: &Environment) -> Result<(ServiceAddresses, Keys), ConfigErrors> {
        let mut errors = Vec::new();
        let addresses = self.addresses(environment, &mut errors);
        let keys = environment.find("TRIGGERS_KEY").map(Keys::parse).transpose();
        let keys = keys.map_err(|error| error.at("TRIGGERS_KEY"))?.unwrap_or_default();
        if addresses.ledger.is_none() && errors.is_empty() {
            let remedy = "add `ledger = \"dynamodb:<table>\"` under [services] or set TRIGGERS_LEDGER";
            errors.push(ConfigError::new(format!("{who} needs a ledger")).at("services").remedy(remedy));
        }
        ConfigErrors::check(errors)?;
        Ok((addresses, keys))
    }

    /// What is wrong with the templates the rules use.
    #[must_use]
    pub fn check_templates<R: RuleSet>(&self, environment: &Environment, open: OpenTemplates) -> Vec<ConfigError> {
        let bound = bind::<R>(self, environment);
        let templates = open(self.folder(), &self.templates_folder(environment));
        let all = std::iter::once((None, &bound.base)).chain(bound.pools.iter().map(|(id, it)| (Some(id), it)));
        self.wrong_templates(all, templates.as_ref())
    }

    fn wrong_templates<'a>(
        &self,
        chains: impl Iterator<Item = (Option<&'a String>, &'a Chains)>,
        templates: &dyn Templates,
    ) -> Vec<ConfigError> {
        let mut looked_at: Vec<&TemplateUse> = Vec::new();
        let mut wrong = Vec::new();
        for (pool, (used, section)) in chains.flat_map(|(pool, it)| it.templates().iter().map(move |it| (pool, it))) {
            if looked_at.contains(&used) {
                continue;
            }
            looked_at.push(used);
            let own = pool.and_then(|pool| Some((pool, self.pool_table(pool)?.get(*section)?)));
            let (path, node) = match own {
                Some((pool, node)) => (format!("{}.{section}", pool_path(pool)), Some(node)),
                None => ((*section).to_owned(), self.root().get(*section)),
            };
            let place = |error: ConfigError| match error.place() {
                // A template names its own file.
                Some(_) => error,
                None => {
                    let line = node.map_or(1, |node| node.nearest(error.path()).line);
                    error.within(&path).placed(self.file(), line)
                }
            };
            wrong.extend(templates.check(used).into_iter().map(place));
        }
        // What is wrong for several templates alike, such as their folder, is told once.
        let mut told = BTreeSet::new();
        wrong.retain(|error| told.insert(error.to_string()));
        wrong
    }
}

impl ServiceAddresses {
    /// What a program has no adapter for at all it does not carry out: the courier does.
    fn forget_unknown(&mut self, adapters: &Adapters) {
        let keep = |is_known: bool, address: &mut Option<String>| {
            if !is_known {
                *address = None;
            }
        };
        keep(!adapters.directories.is_empty(), &mut self.directory);
        keep(!adapters.mailers.is_empty(), &mut self.mailer);
        keep(!adapters.buckets.is_empty(), &mut self.bucket);
        keep(!adapters.publishers.is_empty(), &mut self.publisher);
    }
}

/// Services being opened, and what is wrong with them.
struct Opening<'a> {
    configuration: &'a Configuration,
    environment: &'a Environment,
    errors: Vec<ConfigError>,
    doubts: Vec<ConfigError>,
}

impl Opening<'_> {
    /// One that is named: `Err` is what stands in its place. What is wrong with it is an error if nothing works without it.
    async fn open<S: ?Sized>(
        &mut self,
        key: &str,
        address: Option<&str>,
        adapters: &[Adapter<S>],
        is_needed: bool,
    ) -> Option<Result<Arc<S>, Arc<Absent>>> {
        let opened = services::open(key, address?, adapters, self.environment).await;
        Some(opened.map_err(|error| self.failed(key, error, is_needed)))
    }

    fn failed(&mut self, key: &str, error: ConfigError, is_needed: bool) -> Arc<Absent> {
        let error = self.configuration.service_error(key, error, self.environment);
        let absent = Arc::new(Absent::broken(&error));
        let list = if is_needed { &mut self.errors } else { &mut self.doubts };
        list.push(error);
        absent
    }

    async fn open_ledger(
        &mut self,
        services: &mut Services,
        addresses: &ServiceAddresses,
        adapters: &Adapters,
        is_needed: bool,
    ) {
        if let Some(ledger) = self.open("ledger", addresses.ledger.as_deref(), &adapters.ledgers, is_needed).await {
            services.ledger = ledger.unwrap_or_else(|absent| absent);
        }
    }

    async fn open_directory(
        &mut self,
        services: &mut Services,
        addresses: &ServiceAddresses,
        adapters: &Adapters,
        is_needed: bool,
    ) {
        let address = addresses.directory.as_deref();
        if let Some(directory) = self.open("directory", address, &adapters.directories, is_needed).await {
            services.directory = directory.unwrap_or_else(|absent| absent);
        }
    }

    async fn open_others(&mut self, services: &mut Services, addresses: &ServiceAddresses, adapters: &Adapters) {
        if let Some(mailer) = self.open("mailer", addresses.mailer.as_deref(), &adapters.mailers, false).await {
            services.mailer = mailer.unwrap_or_else(|absent| absent);
        }
        if let Some(bucket) = self.open("bucket", addresses.bucket.as_deref(), &adapters.buckets, false).await {
            services.bucket = bucket.unwrap_or_else(|absent| absent);
        }
        let publisher = addresses.publisher.as_deref();
        if let Some(publisher) = self.open("publisher", publisher, &adapters.publishers, false).await {
            services.publisher = publisher.unwrap_or_else(|absent| absent);
        }
        if let Some(links) = &addresses.links {
            match Links::to(links) {
                Ok(links) => services.links = links,
                Err(error) => {
                    let error = self.configuration.service_error("links", error.at("links"), self.environment);
                    self.doubts.push(error);
                }
            }
        }
        if let Some(open) = adapters.templates {
            let folder = self.configuration.templates_folder(self.environment);
            services.templates = open(self.configuration.folder(), &folder);
        }
    }
}
