/* SPDX-License-Identifier: MIT */
/* The error's name decides first, then its class. */
#include "daemon/remedy.h"

static const struct {
    const char *name, *text;
} table[] = {
    {"QueueDoesNotExist",
     "check aws.queue_url and aws.region in the configuration, or create the queue"},
    {"UnknownOperationException",
     "check that aws.endpoint_url (or AWS_ENDPOINT_URL) is an endpoint of SQS"},
    {"AccessDeniedException",
     "allow these credentials the action on this queue (IAM policy or queue policy)"},
    {"OptInRequired",
     "sign the account up for SQS, or enable the region for the account (AWS Regions in its "
     "settings)"},
    {"UnrecognizedClientException",
     "check the access key and its secret, that the key is active and of the right account, and "
     "that the region is enabled for the account where it is an opt-in region"},
    {"ExpiredTokenException", "the source of the keys still gives old ones: renew the keys there"},
    {"KmsAccessDenied", "allow these credentials kms:Decrypt and kms:GenerateDataKey with the "
                        "queue's KMS key (its key "
                        "policy or IAM policy)"},
    {"KmsDisabled", "enable the queue's KMS key, or set KmsMasterKeyId of the queue to another"},
    {"KmsInvalidState",
     "look at the state of the queue's KMS key (aws kms describe-key): it may be pending deletion"},
    {"KmsNotFound",
     "set KmsMasterKeyId of the queue to a KMS key that exists in the queue's region"},
    {"KmsInvalidKeyUsage",
     "set KmsMasterKeyId of the queue to a symmetric KMS key for encryption (ENCRYPT_DECRYPT)"},
    {"KmsOptInRequired", "sign the account up for KMS, or enable the key's region for the account"},
    {"KmsThrottled",
     "raise KmsDataKeyReusePeriodSeconds of the queue, or the account's quota of KMS requests"},
    {SQS_ERROR_CREDENTIALS_UNREACHABLE,
     "check that this machine can reach the source of the keys: the network, the name look-up, the "
     "source's certificate, and for STS the proxy"},
    {SQS_ERROR_CREDENTIALS_SHORTAGE,
     "this machine lacks the resource that the error names: check its memory, its disk, and the "
     "limits of this service (LimitNOFILE=, TasksMax=, MemoryMax=)"},
    {SQS_ERROR_CREDENTIALS_INTERCEPTED,
     "this reply is not from AWS: check the proxy (https_proxy), whether this network requires a "
     "sign-in, and AWS_ENDPOINT_URL_STS if it is set"},
    {SQS_ERROR_METADATA_INTERCEPTED,
     "this reply is not from the source of the keys, which is asked without a proxy: check whether "
     "this network requires a sign-in, and AWS_EC2_METADATA_SERVICE_ENDPOINT or "
     "AWS_CONTAINER_CREDENTIALS_FULL_URI if it is set"},
    {SQS_ERROR_NOT_FROM_SQS,
     "this reply is not from SQS: check the proxy (https_proxy, http_proxy), whether this network "
     "requires a sign-in, and aws.endpoint_url"},
    {SQS_ERROR_TOO_EARLY, "SQS itself waits for messages: check aws.endpoint_url, and which server "
                          "answers there (an emulator, or a proxy on the way)"},
    {SQS_ERROR_TLS, "check aws.ca_bundle (or AWS_CA_BUNDLE), the server's certificate, its name "
                    "and its dates, and "
                    "this machine's clock"},
    {SQS_ERROR_CONNECT_TIMEOUT,
     "check the network, the name servers (/etc/resolv.conf) and "
     "aws.endpoint_url; if connections always take this long, raise aws.connect_timeout"},
    {SQS_ERROR_NETWORK,
     "check the network, the name look-up, the proxy if one is set, and aws.endpoint_url"},
};

static const char *of_stall(enum sqs_operation operation)
{
    switch (sqs_operation_single(operation)) {
    case SQS_SEND_MESSAGE:
        return "on a slow line raise aws.request_timeout, or lower producer.batch_size and "
               "producer.max_connections";
    case SQS_RECEIVE_MESSAGE:
        return "on a slow line raise aws.request_timeout, or lower consumer.max_messages and "
               "consumer.receivers";
    default:
        return "check the network, or raise aws.request_timeout";
    }
}

static const char *of_missing_keys(void)
{
    return is_set(getenv("INVOCATION_ID")) /* under systemd: systemd.exec(5) */
               ? "put keys into /etc/credstore/aws.credentials (as `aws configure` writes them) "
                 "and "
                 "restart"
               : "run `aws configure`, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (keys in "
                 "/etc/credstore are for the systemd services)";
}

const char *remedy_of(enum sqs_operation operation, const struct sqs_error *error)
{
    if (streq(error->name, SQS_ERROR_STALLED))
        return of_stall(operation);
    if (sqs_error_is_without_credentials(error))
        return of_missing_keys();
    if (streq(error->name, SQS_ERROR_CREDENTIALS_FAILED))
        return NULL; /* the error of the one configured source says what is wrong */
    if (error->is_wrong_region)
        return "set aws.region (or AWS_REGION) to the region of the queue and of aws.endpoint_url";
    for (size_t i = 0; i < ARRAY_SIZE(table); i++)
        if (streq(table[i].name, error->name))
            return table[i].text;
    if (error->class == AWS_ERROR_CREDENTIALS)
        return "check the access key and its secret, and that the key is active and of the right "
               "account";
    return error->class == AWS_ERROR_CLOCK ? "set this machine's clock (timedatectl)" : NULL;
}
