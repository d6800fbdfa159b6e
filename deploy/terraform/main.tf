# The actuator's role with the policy of ../iam, the instances' role for SSM, and the SSM document.
#
#   terraform init && terraform apply -var actuator_principal=ec2.amazonaws.com

terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

variable "name" {
  description = "Prefix of what is made here."
  type        = string
  default     = "cloud-autoscaler"
}

variable "actuator_principal" {
  description = "AWS service that runs the actuator: ec2.amazonaws.com or ecs-tasks.amazonaws.com."
  type        = string
  default     = "ec2.amazonaws.com"
}

data "aws_iam_policy_document" "actuator_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = [var.actuator_principal]
    }
  }
}

resource "aws_iam_role" "actuator" {
  name               = "${var.name}-actuator"
  assume_role_policy = data.aws_iam_policy_document.actuator_trust.json
}

resource "aws_iam_policy" "actuator" {
  name   = "${var.name}-actuator"
  policy = file("${path.module}/../iam/policy.json")
}

resource "aws_iam_role_policy_attachment" "actuator" {
  role       = aws_iam_role.actuator.name
  policy_arn = aws_iam_policy.actuator.arn
}

resource "aws_iam_instance_profile" "actuator" {
  name = "${var.name}-actuator"
  role = aws_iam_role.actuator.name
}

# What the resized instances need, so that SSM reaches them.
data "aws_iam_policy_document" "instance_trust" {
  statement {
    actions = ["sts:AssumeRole"]
    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "instance" {
  name               = "${var.name}-instance"
  assume_role_policy = data.aws_iam_policy_document.instance_trust.json
}

resource "aws_iam_role_policy_attachment" "instance_ssm" {
  role       = aws_iam_role.instance.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "instance" {
  name = "${var.name}-instance"
  role = aws_iam_role.instance.name
}

# The actuator publishes new versions itself (it compares the content's hash); this makes the first one, so that the right
# to create documents can be taken from its policy.
resource "aws_ssm_document" "setup_monitoring" {
  name            = "CloudAutoscaler-SetupMonitoring"
  document_type   = "Command"
  document_format = "JSON"
  target_type     = "/AWS::EC2::Instance"
  content = jsonencode({
    schemaVersion = "2.2"
    description   = "Cloud Autoscaler: installs node_exporter (:9100) and Prometheus (:9090)"
    mainSteps = [{
      action       = "aws:runShellScript"
      name         = "setupMonitoring"
      precondition = { StringEquals = ["platformType", "Linux"] }
      inputs = {
        timeoutSeconds = "7200"
        runCommand     = split("\n", trimspace(file("${path.module}/../setup-monitoring.sh")))
      }
    }]
  })

  lifecycle {
    ignore_changes = [content]
  }
}

output "actuator_role_arn" {
  value = aws_iam_role.actuator.arn
}

output "actuator_instance_profile" {
  value = aws_iam_instance_profile.actuator.name
}

output "instance_profile" {
  description = "Attach it to the instances that are to be resized."
  value       = aws_iam_instance_profile.instance.name
}
