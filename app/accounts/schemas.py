"""Request and response bodies of sessions and users, with examples; every secret is shown once."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, SecretStr, StringConstraints

from app.api.bodies import Carrier, StrictBody
from app.core.ids import Number
from app.security.passwords import SHORTEST
from app.security.roles import Role

TAG = "access"
Name = Annotated[str, StringConstraints(pattern=r"^[^\W_][\w .,'@-]{0,79}$", max_length=80)]
Code = Annotated[str, StringConstraints(min_length=6, max_length=40)]
AnyCode = Annotated[Annotated[str, StringConstraints(max_length=40)] | None, Field(examples=["123456"])]
# SecretStr keeps it out of repr, logs and errors.
Password = Annotated[SecretStr, Field(max_length=200, examples=["bốn từ chẳng liên quan"])]
# The schema tells of the shortest one; its refusal tells how to choose one.
NewPassword = Annotated[Password, Field(json_schema_extra={"minLength": SHORTEST})]


class LoginBody(StrictBody):
    """Name and password; `code` of the second factor, or a recovery code, where one is set."""

    name: str = Field(max_length=200, examples=["lan"])
    password: Password
    code: AnyCode = None


class Me(BaseModel):
    """Who the caller is. csrf_token, for a session: to be repeated as X-CSRF-Token with every change.

    must_enrol: the role requires a second factor, and there is none yet.
    """

    name: str = Field(examples=["lan"])
    role: Role = Field(examples=["approver"])
    carrier: str | None = Field(examples=[None])
    csrf_token: str | None = Field(examples=["loac_5f2c..."])
    ends_at: datetime | None = Field(examples=["2024-02-05T20:00:00Z"])
    must_enrol: bool = Field(examples=[False])


class PasswordBody(StrictBody):
    """The present password and the new one; `code` where a second factor is set."""

    present: Password
    new: NewPassword
    code: AnyCode = None


class PresentBody(StrictBody):
    """The present password, once more."""

    password: Password


class EndBody(StrictBody):
    """The present password, `code` where a second factor is set; sessions: by default all but this one."""

    password: Password
    code: AnyCode = None
    sessions: Annotated[list[Number], Field(max_length=100)] | None = Field(None, examples=[[3]])


class Enrolment(BaseModel):
    """The secret of the second factor, and the same as a URI for an app. Shown only once."""

    secret: str = Field(examples=["JBSWY3DPEHPK3PXP"])
    uri: str = Field(examples=["otpauth://totp/Loa:lan?secret=JBSWY3DPEHPK3PXP&issuer=Loa"])


class CodeBody(StrictBody):
    """A code of the app."""

    code: Code = Field(examples=["123456"])


class RecoveryCodes(BaseModel):
    """Each replaces one code of the app, once. Shown only once."""

    recovery_codes: list[str] = Field(examples=[["abcde-fghjk-mnpqr-stuvw-xyz23-45678"]])


class PersonBody(StrictBody):
    """A user; `carrier` for an operator, and for nobody else."""

    name: Annotated[Name, Field(max_length=40, examples=["lan"])]
    role: Role = Field(examples=["approver"])
    carrier: Carrier | None = Field(None, examples=[None])
    password: NewPassword


class NewPasswordBody(StrictBody):
    """The new password of somebody who has lost the old one."""

    password: NewPassword
