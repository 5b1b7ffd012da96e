//! The triggers of a user pool: a Rust type each, with what Cognito asks and what it understands as an answer.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::attributes::{Attributes, Metadata};
use crate::chain::Chain;

/// Says which fields of a request are what [`Request`] asks for, by the same names.
macro_rules! request {
    ($request:ty: $($part:ident),+) => {
        impl crate::Request for $request {
            $(fn $part(&self) -> Option<&Attributes> {
                Some(&self.$part)
            })+
        }
    };
}

mod authentication;
mod challenge;
mod federation;
mod message;
mod migration;
mod sign_up;
mod token;

pub use authentication::*;
pub use challenge::*;
pub use federation::*;
pub use message::*;
pub use migration::*;
pub use sign_up::*;
pub use token::*;

/// One hook of a user pool.
///
/// All of Cognito's triggers are here already. Implement it for one that is newer than this crate:
///
/// ```
/// use cognito_triggers::{Attributes, Request, Trigger};
///
/// #[derive(Default, serde::Deserialize)]
/// struct NewRequest {}
/// impl Request for NewRequest {}
///
/// #[derive(Clone, Default, serde::Serialize)]
/// struct NewResponse {
///     #[serde(rename = "lucky", skip_serializing_if = "Option::is_none")]
///     lucky: Option<bool>,
/// }
///
/// struct NewTrigger;
/// impl Trigger for NewTrigger {
///     const NAME: &'static str = "NewTrigger";
///     type Request = NewRequest;
///     type Response = NewResponse;
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a trigger of a user pool",
    note = "the triggers are `PreSignUp`, `PostConfirmation`, `PreAuthentication`, ...: see `cognito_triggers::Trigger`"
)]
pub trait Trigger: Sized + Send + Sync + 'static {
    /// The key in the pool's `LambdaConfig`, and the name in messages and metrics.
    const NAME: &'static str;
    /// What `triggerSource` starts with, up to the first `_`; several where Cognito's own documents disagree.
    const SOURCES: &'static [&'static str] = &[Self::NAME];
    /// The `version` of the event, where two triggers share their sources.
    const VERSION: Option<&'static str> = None;
    /// Whether a fault is answered with the unchanged event instead of an error: where an error would do harm and help
    /// nobody.
    const FORGIVING: bool = false;
    /// Whether the event names a user who exists already. Where it does not, no member is touched: a stranger must not reach
    /// somebody's by naming him.
    const KNOWS_USER: bool = true;
    /// Whether staged deliveries are carried out before the answer, in the time that is left.
    const DELIVERS: bool = false;

    /// What Cognito asks. Every field is read leniently.
    type Request: Request + DeserializeOwned + Default + Send + Sync;
    /// What Cognito understands as an answer. Every key is optional and left out when unset.
    type Response: Serialize + Clone + Default + Send + Sync;
}

/// What the triggers of Cognito are called.
pub const TRIGGER_NAMES: [&str; 13] = [
    PreSignUp::NAME,
    PostConfirmation::NAME,
    PreAuthentication::NAME,
    PostAuthentication::NAME,
    CustomMessage::NAME,
    PreTokenGenerationV1::NAME,
    DefineAuthChallenge::NAME,
    CreateAuthChallenge::NAME,
    VerifyAuthChallengeResponse::NAME,
    UserMigration::NAME,
    CustomEmailSender::NAME,
    CustomSmsSender::NAME,
    InboundFederation::NAME,
];

/// The chain of each of them. Nobody asks for this list: it is there so that what a chain needs of a trigger is built with this
/// crate. What is generic and not built here is built in the crate of every rule, and a pool would have it a dozen times.
#[expect(dead_code, reason = "what it names is built, and that is what it is for")]
static CHAINS: [fn() -> Chain; 15] = [
    Chain::of::<PreSignUp>,
    Chain::of::<PostConfirmation>,
    Chain::of::<PreAuthentication>,
    Chain::of::<PostAuthentication>,
    Chain::of::<CustomMessage>,
    Chain::of::<PreTokenGenerationV1>,
    Chain::of::<PreTokenGenerationV2>,
    Chain::of::<PreTokenGenerationV3>,
    Chain::of::<DefineAuthChallenge>,
    Chain::of::<CreateAuthChallenge>,
    Chain::of::<VerifyAuthChallengeResponse>,
    Chain::of::<UserMigration>,
    Chain::of::<CustomEmailSender>,
    Chain::of::<CustomSmsSender>,
    Chain::of::<InboundFederation>,
];

/// What requests have in common; each has some of it.
pub trait Request {
    /// `userAttributes`.
    fn user_attributes(&self) -> Option<&Attributes> {
        None
    }

    /// `clientMetadata`: what the application passed along. A client can put anything there.
    fn client_metadata(&self) -> Option<&Metadata> {
        None
    }

    /// `validationData`: likewise.
    fn validation_data(&self) -> Option<&Metadata> {
        None
    }
}

/// A trigger at which an attempt may be refused.
///
/// Refusing elsewhere does not compile. After confirmation, for one, the user is confirmed whatever the Lambda answers
/// ("the user is actually confirmed", amplify-cli#2735).
///
/// ```compile_fail
/// use cognito_triggers::prelude::*;
/// let verdict: Verdict<PostConfirmation> = Verdict::deny("Too late");
/// ```
#[diagnostic::on_unimplemented(
    message = "an attempt cannot be refused in `{Self}`",
    label = "`{Self}` is not a gate",
    note = "the gates are PreSignUp, PreAuthentication, PostAuthentication, PreTokenGeneration, UserMigration and InboundFederation",
    note = "elsewhere answer `Ok(Verdict::Continue)`, or return a `Fault` if something went wrong"
)]
pub trait Gate: Trigger {}
