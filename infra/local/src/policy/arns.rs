//! Where the resources are: region, account, pools; and ARNs made of it.

/// Stands for an account that was not named.
const NO_ACCOUNT: &str = "ACCOUNT";
/// Stands for a region that was not named.
const NO_REGION: &str = "REGION";
/// Stands for a pool that was not named.
const NO_POOL: &str = "POOL";

/// Where, as far as it was said. What was not is a word in capitals that no ARN can hold, and is noted: a policy with it grants
/// nothing.
pub(super) struct Place {
    region: Option<String>,
    account: Option<String>,
    pools: Vec<String>,
    identities: Vec<String>,
    missing: [bool; 3],
}

impl Place {
    pub(super) fn new(
        region: Option<String>,
        account: Option<String>,
        pools: Vec<String>,
        identities: Vec<String>,
    ) -> Self {
        Self { region, account, pools, identities, missing: [false; 3] }
    }

    /// `arn:<partition>:<service>:<region>:<account>:<rest>`
    pub(super) fn arn(&mut self, service: &str, rest: &str) -> String {
        let region = self.region();
        self.arn_in(&region, service, rest)
    }

    /// The pools' ARNs, each in its own region, which begins its id.
    pub(super) fn pools(&mut self) -> Vec<String> {
        if self.pools.is_empty() {
            self.missing[2] = true;
            return vec![self.arn("cognito-idp", &format!("userpool/{NO_POOL}"))];
        }
        let pools = self.pools.clone();
        let arn = |pool: &String| {
            let region = pool.rsplit_once('_').map_or("", |(region, _)| region);
            self.arn_in(region, "cognito-idp", &format!("userpool/{pool}"))
        };
        pools.iter().map(arn).collect()
    }

    /// `arn:<partition>:s3:::<rest>`: a bucket's name is nobody else's, and names neither region nor account.
    pub(super) fn bucket_arn(&self, rest: &str) -> String {
        format!("arn:{}:s3:::{rest}", partition(self.region.as_deref().unwrap_or_default()))
    }

    /// The identities a sender may be verified by.
    pub(super) fn identities(&mut self, sender: &str) -> Vec<String> {
        let domain = sender.rsplit_once('@').map(|(_, domain)| domain);
        let names: Vec<String> = match self.identities.is_empty() {
            true => std::iter::once(sender).chain(domain).map(str::to_owned).collect(),
            false => self.identities.clone(),
        };
        names.iter().map(|name| self.arn("ses", &format!("identity/{}", literal(name)))).collect()
    }

    fn region(&mut self) -> String {
        self.missing[1] |= self.region.is_none();
        self.region.clone().unwrap_or_else(|| NO_REGION.to_owned())
    }

    fn arn_in(&mut self, region: &str, service: &str, rest: &str) -> String {
        self.missing[0] |= self.account.is_none();
        let account = self.account.as_deref().unwrap_or(NO_ACCOUNT);
        format!("arn:{}:{service}:{region}:{account}:{rest}", partition(region))
    }

    /// What has yet to be put in the place of a word in capitals.
    pub(super) fn notes(&self) -> Vec<String> {
        let hints = [
            (NO_ACCOUNT, "the id of the account", "--account"),
            (NO_REGION, "the region", "--region or AWS_REGION"),
            (NO_POOL, "the id of the user pool", "--pool"),
        ];
        let missing = hints.iter().zip(self.missing).filter(|(_, missing)| *missing);
        missing.map(|((word, what, how), _)| format!("{word} stands for {what}: name it with {how}")).collect()
    }
}

/// "arn:aws: AWS Regions, arn:aws-cn: China Regions, arn:aws-us-gov: AWS GovCloud (US) Regions" (IAM user guide, "ARNs").
fn partition(region: &str) -> &'static str {
    match region {
        china if china.starts_with("cn-") => "aws-cn",
        gov if gov.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// A text in which nothing is a wildcard or a variable of IAM.
pub(super) fn literal(text: &str) -> String {
    let mut literal = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '*' | '?' | '$' => literal.extend(['$', '{', letter, '}']),
            plain => literal.push(plain),
        }
    }
    literal
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_partitions_have_arns_of_their_own() {
        let place = |region: &str| Place::new(Some(region.into()), Some("111122223333".into()), Vec::new(), Vec::new());
        let arn = |region| place(region).arn("events", "event-bus/acme");
        assert_eq!(arn("eu-central-1"), "arn:aws:events:eu-central-1:111122223333:event-bus/acme");
        assert_eq!(arn("cn-north-1"), "arn:aws-cn:events:cn-north-1:111122223333:event-bus/acme");
        assert_eq!(place("us-gov-west-1").bucket_arn("acme"), "arn:aws-us-gov:s3:::acme");
    }

    #[test]
    fn what_is_a_wildcard_to_iam_is_taken_by_the_letter() {
        assert_eq!(literal("a*b?c$d"), "a${*}b${?}c${$}d");
    }

    #[test]
    fn only_what_is_used_and_missing_is_noted() {
        let mut place = Place::new(None, None, Vec::new(), Vec::new());
        assert_eq!(place.bucket_arn("acme"), "arn:aws:s3:::acme");
        assert!(place.notes().is_empty());
        assert_eq!(place.pools(), ["arn:aws:cognito-idp:REGION:ACCOUNT:userpool/POOL"]);
        assert_eq!(place.notes().len(), 3);
    }
}
