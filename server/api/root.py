"""`GET /`."""

from fastapi import APIRouter
from fastapi.responses import RedirectResponse, Response

router = APIRouter()


@router.get("/", include_in_schema=False)
async def redirect_to_docs() -> Response:
    return RedirectResponse("/docs")
