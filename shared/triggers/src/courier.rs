//! Carries deliveries out.

use futures_util::future;

use crate::ledger::{Delivery, DeliveryId, Task};
use crate::report::Report;
use crate::{Fault, Services};

/// Carries out one delivery. Repeating it does no harm.
///
/// # Errors
///
/// If the service refuses or cannot be reached.
pub async fn deliver(delivery: &Delivery, services: &Services) -> Result<(), Fault> {
    match &delivery.task {
        Task::UpdateAttributes { user_name, attributes } => {
            services.directory.update_attributes(&delivery.id.pool, user_name, attributes).await
        }
    }
}

/// Carries out what an event staged, side by side, and acknowledges what went through. What did not stays due.
pub(crate) async fn carry_out(deliveries: &[Delivery], services: &Services, report: &mut Report) {
    let results = future::join_all(deliveries.iter().map(|delivery| deliver(delivery, services))).await;
    let mut done: Vec<DeliveryId> = Vec::with_capacity(deliveries.len());
    for (delivery, result) in deliveries.iter().zip(results) {
        match result {
            Ok(()) => done.push(delivery.id.clone()),
            Err(fault) => {
                // Behind the rule's name a key may hold what the user is called.
                let rule = delivery.id.key.split('/').next().unwrap_or_default();
                report.fault = Some((fault.kind(), format!("a delivery of {rule}: {}", fault.causes())));
            }
        }
    }
    report.deliveries.done = done.len();
    if done.is_empty() {
        return;
    }
    report.calls.acknowledgements += 1;
    if let Err(fault) = services.ledger.acknowledge(&done).await {
        report.fault = Some((fault.kind(), format!("acknowledging deliveries: {}", fault.causes())));
    }
}
