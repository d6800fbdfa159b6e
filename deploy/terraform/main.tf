# The actuator's role with the policy of ../iam, the instances' role for SSM, and the policy of whoever publishes the SSM
# documents (`autoscaler publish-document`).
#
#   terraform init && terraform apply -var actuator_principal=ec2.amazonaws.com

terraform {
  required_version = ">= 1.7"
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

# Not the actuator's: attach it to the role or user that runs `autoscaler publish-document`. The documents themselves are
# made by that command, for their content is compared byte by byte, and jsonencode writes other bytes.
resource "aws_iam_policy" "setup" {
  name   = "${var.name}-setup"
  policy = file("${path.module}/../iam/setup-policy.json")
}

# Earlier releases made the document here. It stays in the account; the command updates it.
removed {
  from = aws_ssm_document.setup_monitoring
  lifecycle {
    destroy = false
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

output "setup_policy_arn" {
  description = "The rights of `autoscaler publish-document`."
  value       = aws_iam_policy.setup.arn
}
