# The users of waha-ingest on RabbitMQ, and what each may: what is not granted here, it may not.
#
# Run by an administrator (`sh -eu rabbitmq.sh`) with the four passwords in the environment, any number
# of times: a user that is there gets its password and its rights again. On a virtual host of your own
# put --vhost NAME before each user of set_permissions; with queue.prefix write ^PREFIXwaha\. for ^waha\.
# The three patterns are those of configure, write and read.

# `serve`: declares and binds, publishes by the default exchange, reads no lane.
rabbitmqctl add_user waha_serve "$BROKER_SERVE_PASSWORD" ||
    rabbitmqctl change_password waha_serve "$BROKER_SERVE_PASSWORD"
rabbitmqctl set_permissions waha_serve \
    '^waha\.' '^(waha\.|amq\.default$)' '^waha\.(webhooks|unknown|lanes|retry|dead)$'

# `work`: declares and binds, consumes, publishes retries and replays.
rabbitmqctl add_user waha_work "$BROKER_WORK_PASSWORD" ||
    rabbitmqctl change_password waha_work "$BROKER_WORK_PASSWORD"
rabbitmqctl set_permissions waha_work '^waha\.' '^(waha\.|amq\.default$)' '^waha\.'

# KEDA: asks how many messages a queue holds, which needs no right but to be let in.
rabbitmqctl add_user waha_scale "$BROKER_SCALE_PASSWORD" ||
    rabbitmqctl change_password waha_scale "$BROKER_SCALE_PASSWORD"
rabbitmqctl set_permissions waha_scale '^$' '^$' '^$'

# `queue.management_url` of `serve` and `work`: looks at queues, nodes and policies.
rabbitmqctl add_user waha_monitor "$BROKER_MONITOR_PASSWORD" ||
    rabbitmqctl change_password waha_monitor "$BROKER_MONITOR_PASSWORD"
rabbitmqctl set_permissions waha_monitor '^$' '^$' '^$'
rabbitmqctl set_user_tags waha_monitor monitoring
