"""`/v1/findings`: everything that could keep somebody from being paged."""

from typing import Final

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field

from pagersync.access.guard import needs
from pagersync.access.models import Scope
from pagersync.doctor import examine
from pagersync.findings import Finding, Level
from pagersync.jsonapi import JsonApiResponse, Resource
from pagersync.shape import ShapedRoute

router = APIRouter(
    prefix="/v1",
    tags=["Health"],
    default_response_class=JsonApiResponse,
    route_class=ShapedRoute,
)

TYPE: Final = "findings"


class FindingAttributes(BaseModel):
    """One thing that is wrong."""

    code: str = Field(description="What kind of thing, for machines.", examples=["unpaged"])
    level: Level = Field(description="`critical`: somebody may not be paged right now.")
    detail: str = Field(description="What is wrong, and with what.")
    remedy: str = Field(description="What to do about it, best a command.")
    integration_id: str | None = Field(description="The account that it is about, if any.")


class Findings(BaseModel):
    """All that is wrong."""

    data: list[Resource[FindingAttributes]]


@router.get(
    "/findings",
    summary="List what could keep somebody from being paged",
    description="As `pagersync doctor`: critical findings first. An empty list: all is well.",
    dependencies=[needs(Scope.READ)],
)
async def list_findings(request: Request) -> Findings:
    found = await examine(request.state.sessions, request.state.settings)
    return Findings(data=[_resource(number, each) for number, each in enumerate(found, start=1)])


def _resource(number: int, finding: Finding) -> Resource[FindingAttributes]:
    integration_id = finding.integration_id and str(finding.integration_id)
    return Resource(
        id=str(number),
        type=TYPE,
        attributes=FindingAttributes(
            code=finding.code,
            level=finding.level,
            detail=finding.detail,
            remedy=finding.remedy,
            integration_id=integration_id,
        ),
    )
